import type { Clock } from "./clock.ts";

/**
 * Limits how fast each address comes: a token bucket each, kept as the one time at which it is full
 * again (the generic cell rate algorithm), and nothing for an address whose bucket is full.
 *
 * Only what was let in is charged, so that the map is bounded by what is let in within the time
 * that a bucket takes to fill and a sweep takes to come.
 */
export class AddressRate {
  readonly #intervalMs: number;
  /** How far ahead of now an address may be: a burst's worth of intervals. */
  readonly #aheadMs: number;
  readonly #clock: Clock;
  readonly #charges = new Map<string, Charge>();
  #sweepMs = 0;

  /** @throws {RangeError} If `ratePerSecond` is not above 0 or `burst` is below 1. */
  constructor(ratePerSecond: number, burst: number, clock: Clock) {
    if (!(ratePerSecond > 0)) {
      throw new RangeError(`An address needs a ratePerSecond above 0: ${ratePerSecond}`);
    }
    if (!(burst >= 1)) throw new RangeError(`An address needs a burst of at least 1: ${burst}`);
    this.#intervalMs = 1000 / ratePerSecond;
    this.#aheadMs = ratePerSecond === Infinity ? Infinity : (burst - 1) * this.#intervalMs;
    this.#clock = clock;
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#charges.size;
  }

  /**
   * 0 if one more may come from `key` now, which {@linkcode charge} then notes. Else a wait in
   * milliseconds: each that is refused is booked behind the one before, `maxMs` off at most.
   */
  waitMs(key: string, maxMs: number): number {
    const charge = this.#charges.get(key);
    if (charge === undefined) return 0;
    const nowMs = this.#clock.now();
    const freeMs = charge.fullMs - this.#aheadMs;
    // Sums of intervals are a hair off.
    if (freeMs <= nowMs + 1e-6) return 0;
    const nextMs = Math.max(charge.bookedMs + this.#intervalMs, freeMs);
    charge.bookedMs = Math.min(nextMs, nowMs + maxMs);
    return charge.bookedMs - nowMs;
  }

  /** Counts one that was let in. */
  charge(key: string): void {
    if (this.#aheadMs === Infinity) return;
    const nowMs = this.#clock.now();
    this.#sweep(nowMs);
    const charge = this.#charges.get(key);
    if (charge !== undefined) charge.fullMs = Math.max(charge.fullMs, nowMs) + this.#intervalMs;
    else this.#charges.set(key, { fullMs: nowMs + this.#intervalMs, bookedMs: 0 });
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#sweepMs) return;
    this.#sweepMs = nowMs + SWEEP_INTERVAL_MS;
    for (const [key, { fullMs, bookedMs }] of this.#charges) {
      if (fullMs <= nowMs && bookedMs <= nowMs) this.#charges.delete(key);
    }
  }
}

/** What an address has used, by the clock. */
interface Charge {
  /** When its bucket is full again. */
  fullMs: number;
  /** Until when those refused are booked to come back. */
  bookedMs: number;
}

/** Seldom beside the charges of a second, often beside what they hold. */
const SWEEP_INTERVAL_MS = 1000;
