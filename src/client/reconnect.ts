import type { Clock } from "../policy/clock.ts";
import { Backoff } from "../policy/jitter.ts";
import type { Random } from "../policy/random.ts";

/** How a transport ended, or an attempt to open one failed. */
export interface Loss {
  /** The server said beforehand that and when it would close: it has spread its clients itself. */
  readonly announced: boolean;
  /** The server's `reconnectSpreadMs`, or 0 if it never told one. */
  readonly spreadMs: number;
  /** What a refusal asked for, in milliseconds, or 0. */
  readonly retryAfterMs: number;
}

/**
 * When a client comes back. After a good spell the first attempt is the server's to direct: at once
 * where it has announced the end, else anywhere in the time over which it wants its clients spread.
 * Further attempts back off with full jitter.
 */
export class Reconnect {
  readonly #backoff: Backoff;
  readonly #clock: Clock;
  readonly #random: Random;
  #connectedMs: number | undefined;

  constructor(clock: Clock, random: Random) {
    this.#backoff = new Backoff({ baseMs: BASE_MS }, random);
    this.#clock = clock;
    this.#random = random;
  }

  /** Notes that the client is connected. */
  connected(): void {
    this.#connectedMs = this.#clock.now();
  }

  /** How long to wait before the next attempt, in milliseconds. */
  delayMs(loss: Loss): number {
    const connectedMs = this.#connectedMs;
    this.#connectedMs = undefined;
    if (connectedMs !== undefined && this.#clock.now() - connectedMs >= STABLE_MS) {
      this.#backoff.reset();
    }
    const first = connectedMs !== undefined && this.#backoff.attempts === 0;
    // Drawn in any case: the first attempt counts, so that the next one waits for longer.
    const backoffMs = this.#backoff.nextDelayMs(loss.retryAfterMs);
    if (!first || loss.retryAfterMs > 0) return backoffMs;
    return loss.announced ? 0 : this.#random() * loss.spreadMs;
  }
}

const BASE_MS = 500;

/**
 * A session that lasted no longer proves nothing: a server that closes each one soon after it
 * opened must be asked ever less often.
 */
const STABLE_MS = 10_000;
