import type { Clock } from "./clock.ts";
import type { TokenBucketOptions } from "./token_bucket.ts";

/**
 * Token buckets for many, who share their rate and burst: each keeps but one number, the time at
 * which its bucket is full again (the generic cell rate algorithm, ITU-T I.371 annex A).
 */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #mostMs: number;
  readonly #clock: Clock;

  /** @throws {RangeError} If `ratePerSecond` is not above 0 or `burst` is below 1. */
  constructor({ ratePerSecond, burst }: TokenBucketOptions, clock: Clock) {
    if (!(ratePerSecond > 0)) {
      throw new RangeError(`A rate limit needs a ratePerSecond above 0: ${ratePerSecond}`);
    }
    if (!(burst >= 1)) throw new RangeError(`A rate limit needs a burst of at least 1: ${burst}`);
    // At an infinite rate both are 0, and nothing is refused.
    this.#intervalMs = 1000 / ratePerSecond;
    // The part of a token is for sums of fractions, which come out above their product.
    this.#mostMs = this.#intervalMs * (burst + 1e-6);
    this.#clock = clock;
  }

  /**
   * Takes `tokens` from the bucket that is full at `fullAtMs`, 0 if nothing was ever taken from it.
   * Returns when it will be full then, or {@linkcode EMPTY}, and nothing taken.
   */
  take(fullAtMs: number, tokens = 1, nowMs: number = this.#clock.now()): number {
    const nextMs = Math.max(fullAtMs, nowMs) + this.#intervalMs * tokens;
    return nextMs - nowMs > this.#mostMs ? EMPTY : nextMs;
  }
}

/** The answer of a bucket without a token; no time, as clocks begin at 0. */
export const EMPTY = -1;
