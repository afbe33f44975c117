import type { Clock } from "../policy/clock.ts";
import { createSecret } from "../session/secret.ts";

/**
 * The passes of clients that `/rt/info` has told to come: at the door they are not judged by the
 * rate again. A pass is good for a while and for as many transports as a client tries at once.
 */
export class Passes {
  readonly #clock: Clock;
  /** In the order of their end. */
  readonly #passes = new Map<string, Pass>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many may still be used, and some that have run out. */
  get size(): number {
    return this.#passes.size;
  }

  /** Makes one. At the limit the oldest is forgotten: whoever has it is judged as without one. */
  issue(): string {
    const nowMs = this.#clock.now();
    for (const [pass, { endMs }] of this.#passes) {
      if (endMs > nowMs && this.#passes.size < MAX_PASSES) break;
      this.#passes.delete(pass);
    }
    const pass = createSecret();
    this.#passes.set(pass, { endMs: nowMs + LIFETIME_MS, uses: MAX_USES });
    return pass;
  }

  /** Whether `pass` is good, which it is one time less from now on. */
  use(pass: string): boolean {
    const found = this.#passes.get(pass);
    if (found === undefined) return false;
    if (--found.uses === 0) this.#passes.delete(pass);
    return found.endMs > this.#clock.now();
  }
}

interface Pass {
  readonly endMs: number;
  uses: number;
}

/** As long as the SDK waits for each transport to open. */
const LIFETIME_MS = 10_000;

/** WebTransport, WebSocket and SSE. */
const MAX_USES = 3;

/** Above what the default rate lets in within the lifetime, and 2 MB. */
const MAX_PASSES = 10_000;
