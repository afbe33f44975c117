import type { Clock } from "./clock.ts";

/** How much a {@linkcode TokenBucket} lets through. */
export interface TokenBucketOptions {
  /** Tokens that come in a second; `Infinity` disables the limit. */
  ratePerSecond: number;
  /** Tokens that a quiet spell can save up, and the bucket starts with. */
  burst: number;
}

/** Limits a rate and allows bursts: a bucket of tokens that fills steadily. It needs no timer. */
export class TokenBucket {
  /** Tokens that come in a second. */
  readonly ratePerSecond: number;
  /** Tokens that the bucket holds. */
  readonly burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledMs: number;

  /** @throws {RangeError} If `ratePerSecond` is not above 0 or `burst` is below 1. */
  constructor(options: TokenBucketOptions, clock: Clock) {
    const { ratePerSecond, burst } = options;
    if (!(ratePerSecond > 0)) {
      throw new RangeError(`A token bucket needs a ratePerSecond above 0: ${ratePerSecond}`);
    }
    if (!(burst >= 1)) throw new RangeError(`A token bucket needs a burst of at least 1: ${burst}`);
    this.ratePerSecond = ratePerSecond;
    this.burst = burst;
    this.#clock = clock;
    this.#tokens = burst;
    this.#filledMs = clock.now();
  }

  /** Takes `tokens` if that leaves `reserve` in the bucket; false takes none. */
  take(tokens = 1, reserve = 0): boolean {
    if (this.ratePerSecond === Infinity) return true;
    const nowMs = this.#clock.now();
    const filled = this.#tokens + (nowMs - this.#filledMs) * this.ratePerSecond / 1000;
    this.#filledMs = nowMs;
    this.#tokens = Math.min(this.burst, filled);
    if (this.#tokens < tokens + reserve) return false;
    this.#tokens -= tokens;
    return true;
  }
}
