import type { Clock, TimerId } from "../policy/clock.ts";

/** One timer of a clock, which can be set again and again. */
export class Timer {
  readonly #clock: Clock;
  #id: TimerId | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it is set and has not run. */
  get running(): boolean {
    return this.#id !== undefined;
  }

  /** Runs `callback` in `ms` milliseconds, and what it was set for before never. */
  start(ms: number, callback: () => void): void {
    this.stop();
    this.#id = this.#clock.setTimeout(() => {
      this.#id = undefined;
      callback();
    }, Math.min(ms, MAX_DELAY_MS));
  }

  /** Idempotent. */
  stop(): void {
    if (this.#id !== undefined) this.#clock.clearTimeout(this.#id);
    this.#id = undefined;
  }
}

/** Runtimes run a timer at once if its delay is beyond a 32-bit integer. */
const MAX_DELAY_MS = 2 ** 31 - 1;
