import type { Clock } from "../policy/clock.ts";

/**
 * What a peer may spend within a window of time. A new window starts with the first spending after
 * the old one has ended, so that a long life is no offence.
 */
export class Budget {
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #clock: Clock;
  #windowEndMs = -Infinity;
  #spent = 0;

  constructor(limit: number, windowMs: number, clock: Clock) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#clock = clock;
  }

  /** Spends `amount`; false if that is more than the window has left. */
  spend(amount: number): boolean {
    const now = this.#clock.now();
    if (now >= this.#windowEndMs) {
      this.#windowEndMs = now + this.#windowMs;
      this.#spent = 0;
    }
    this.#spent += amount;
    return this.#spent <= this.#limit;
  }
}
