import type { Random } from "./random.ts";

/**
 * How a delay is randomised, by the names of Marc Brooker's "Exponential Backoff And Jitter"
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), with
 * `ceiling = min(capMs, baseMs × 2^attempt)`:
 *
 * - `full`: evenly over 0 to `ceiling`. Spreads best; may retry at once.
 * - `equal`: evenly over half of `ceiling` to `ceiling`. Never retries at once.
 * - `decorrelated`: evenly over `baseMs` to thrice the previous delay or `capMs`, whichever is less.
 *   Grows by chance, so that clients which failed together part ways. The article cuts the drawn
 *   delay down to the cap instead, which sends two clients in three back at exactly `capMs`.
 */
export type Jitter = "full" | "equal" | "decorrelated";

/** Options of a {@linkcode Backoff}. */
export interface BackoffOptions {
  /** @default "full" */
  jitter?: Jitter;
  /**
   * The scale of the first delay, in milliseconds.
   *
   * @default 1000
   */
  baseMs?: number;
  /**
   * What no delay exceeds, jitter included, in milliseconds. The default is as long as a person
   * waits before reloading the page, which no delay could spread.
   *
   * @default 30000
   */
  capMs?: number;
}

/** The delays between the attempts of one client to come back. */
export class Backoff {
  readonly #jitter: Jitter;
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #random: Random;
  #attempt = 0;
  #previousMs: number;

  /** @throws {RangeError} Unless 0 < baseMs <= capMs < Infinity. */
  constructor(options: BackoffOptions, random: Random) {
    const { jitter = "full", baseMs = 1000, capMs = 30_000 } = options;
    if (!(0 < baseMs && baseMs <= capMs && capMs < Infinity)) {
      throw new RangeError(`A backoff needs 0 < baseMs <= capMs < Infinity: ${baseMs}, ${capMs}`);
    }
    this.#jitter = jitter;
    this.#baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
    this.#previousMs = baseMs;
  }

  /** How many delays were drawn since the last reset. */
  get attempts(): number {
    return this.#attempt;
  }

  /**
   * Draws the next delay in milliseconds, at most `capMs`. A minimum that the server said is added,
   * not compared: clients told the same minimum would otherwise come back together.
   */
  nextDelayMs(minimumMs = 0): number {
    const random = this.#random();
    // 2^1024 is Infinity, which the cap takes care of.
    const ceilingMs = Math.min(this.#capMs, this.#baseMs * 2 ** this.#attempt++);
    switch (this.#jitter) {
      case "full":
        return minimumMs + random * ceilingMs;
      case "equal":
        return minimumMs + (1 + random) * ceilingMs / 2;
      case "decorrelated": {
        const mostMs = Math.min(this.#capMs, this.#previousMs * 3);
        this.#previousMs = this.#baseMs + random * (mostMs - this.#baseMs);
        return minimumMs + this.#previousMs;
      }
    }
  }

  /** Starts over; call it once a session has proved stable, not as soon as it opens. */
  reset(): void {
    this.#attempt = 0;
    this.#previousMs = this.#baseMs;
  }
}

/**
 * Over how many milliseconds `count` clients are to come back to where `ratePerSecond` are let in a
 * second. Spread over exactly `count` ÷ `ratePerSecond` they would use up the rate and run into it by
 * chance, and whoever has come meanwhile would never be worked off; a quarter more leaves one client
 * in a thousand to be refused (`deno task storm`).
 *
 * @throws {RangeError} If `ratePerSecond` is not above 0.
 */
export function spreadWindowMs(count: number, ratePerSecond: number): number {
  if (!(ratePerSecond > 0)) {
    throw new RangeError(`A spread needs a ratePerSecond above 0: ${ratePerSecond}`);
  }
  return SPREAD_SLACK * count * 1000 / ratePerSecond;
}

const SPREAD_SLACK = 1.25;
