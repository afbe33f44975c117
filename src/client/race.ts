import type { Clock, TimerId } from "../policy/clock.ts";
import type { TransportKind } from "./transports/transport.ts";

/** A transport that was preferred to the one in use, and why it is not in use. */
export interface Fallback {
  readonly transport: TransportKind;
  readonly reason: string;
}

/** Every transport of a race failed; `failures` says how each did. */
export class RaceLostError extends Error {
  override readonly name = "RaceLostError";
  readonly failures: readonly Fallback[];

  constructor(failures: readonly Fallback[], cause: unknown) {
    const reasons = failures.map(({ transport, reason }) => `${transport}: ${reason}`);
    super(`No transport could be opened: ${reasons.join("; ") || "none to try"}`, { cause });
    this.failures = failures;
  }
}

/** What takes part in a race, and in which order. */
export interface RaceOptions<T> {
  readonly candidates: readonly TransportKind[];
  open(kind: TransportKind, signal: AbortSignal): Promise<T>;
  /** Closes what was opened too late to win. */
  abandon(opened: T): void;
  readonly clock: Clock;
  /** Ends the whole race. */
  readonly signal: AbortSignal;
}

/** The winner, and why each candidate before it is not. */
export interface RaceResult<T> {
  readonly winner: T;
  readonly fallbacks: readonly Fallback[];
}

/**
 * Opens the candidates one after the other, each with a head start over the next, which begins at
 * once if the one before fails. The first that is open wins; the others are aborted.
 *
 * Rejects with a {@linkcode RaceLostError} if all fail, or with the reason of the signal.
 */
export function race<T>(options: RaceOptions<T>): Promise<RaceResult<T>> {
  return new Promise((resolve, reject) => new Race(options, resolve, reject).start());
}

class Race<T> {
  readonly #options: RaceOptions<T>;
  readonly #resolve: (result: RaceResult<T>) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #running = new Map<TransportKind, { controller: AbortController; timer: TimerId }>();
  readonly #failures = new Map<TransportKind, string>();
  readonly #onAbort = () => {
    this.#finish();
    this.#reject(this.#options.signal.reason);
  };
  #started = 0;
  #done = false;
  #headStart: TimerId | undefined;
  #lastError: unknown;

  constructor(
    options: RaceOptions<T>,
    resolve: (result: RaceResult<T>) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { signal } = this.#options;
    if (signal.aborted) return this.#onAbort();
    signal.addEventListener("abort", this.#onAbort);
    this.#next();
  }

  #next(): void {
    const { candidates, clock, open } = this.#options;
    if (this.#headStart !== undefined) clock.clearTimeout(this.#headStart);
    this.#headStart = undefined;
    const kind = candidates[this.#started];
    if (kind === undefined) {
      if (this.#running.size === 0) this.#lost();
      return;
    }
    this.#started++;
    const controller = new AbortController();
    const timer = clock.setTimeout(
      () => this.#failed(kind, new Error(`Not open after ${OPEN_TIMEOUT_MS / 1000} s`)),
      OPEN_TIMEOUT_MS,
    );
    this.#running.set(kind, { controller, timer });
    const following = candidates[this.#started];
    if (following !== undefined) {
      const headStartMs = following === "sse" ? SSE_HEAD_START_MS : HEAD_START_MS;
      this.#headStart = clock.setTimeout(() => this.#next(), headStartMs);
    }
    open(kind, controller.signal).then(
      (opened) => this.#opened(kind, opened),
      (error) => this.#failed(kind, error),
    );
  }

  #opened(kind: TransportKind, winner: T): void {
    const entry = this.#running.get(kind);
    const { abandon, candidates, clock } = this.#options;
    if (entry === undefined) return abandon(winner);
    this.#running.delete(kind);
    clock.clearTimeout(entry.timer);
    const fallbacks = candidates.slice(0, candidates.indexOf(kind)).map((transport) => ({
      transport,
      reason: this.#failures.get(transport) ?? `${kind} was open first`,
    }));
    this.#finish();
    this.#resolve({ winner, fallbacks });
  }

  #failed(kind: TransportKind, error: unknown): void {
    const entry = this.#running.get(kind);
    if (entry === undefined || this.#done) return;
    this.#running.delete(kind);
    this.#options.clock.clearTimeout(entry.timer);
    entry.controller.abort(error);
    this.#failures.set(kind, error instanceof Error ? error.message : String(error));
    this.#lastError = error;
    this.#next();
  }

  #lost(): void {
    this.#finish();
    const failures = [...this.#failures].map(([transport, reason]) => ({ transport, reason }));
    this.#reject(new RaceLostError(failures, this.#lastError));
  }

  #finish(): void {
    this.#done = true;
    const { clock, signal } = this.#options;
    signal.removeEventListener("abort", this.#onAbort);
    if (this.#headStart !== undefined) clock.clearTimeout(this.#headStart);
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const { controller, timer } of running) {
      clock.clearTimeout(timer);
      controller.abort(new Error("Another transport was open first"));
    }
  }
}

/** A QUIC handshake takes one round trip less than TCP with TLS: on most paths this is enough. */
const HEAD_START_MS = 200;

/** SSE costs the server most and works wherever a WebSocket would: it waits for a clear failure. */
const SSE_HEAD_START_MS = 2000;

/** A path that has lost several packets in a row still opens within this. */
const OPEN_TIMEOUT_MS = 10_000;
