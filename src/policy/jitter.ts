import type { Random } from "./random.ts";

/**
 * How a delay is randomised, by the names of Marc Brooker's "Exponential Backoff And Jitter"
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), with
 * `ceiling = min(capMs, baseMs × 2^attempt)`:
 *
 * - `full`: evenly over 0 to `ceiling`. Spreads best; may retry at once.
 * - `equal`: evenly over half of `ceiling` to `ceiling`. Never retries at once.
 */
export type Jitter = "full" | "equal";

/** Options of a {@linkcode Backoff}. */
export interface BackoffOptions {
  /** @default "full" */
  jitter?: Jitter;
  /**
   * The scale of the first delay, in milliseconds; above 0.
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
  /** How many delays were drawn since the last reset. */
  attempts = 0;
  readonly #options: BackoffOptions;
  readonly #random: Random;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /**
   * Draws the next delay in milliseconds, at most `capMs`. A minimum that the server said is added,
   * not compared: clients told the same minimum would otherwise come back together.
   */
  nextDelayMs(minimumMs = 0): number {
    const { jitter, baseMs = 1000, capMs = 30_000 } = this.#options;
    // 2^1024 is Infinity, which the cap takes care of.
    const ceilingMs = Math.min(capMs, baseMs * 2 ** this.attempts++);
    const random = this.#random();
    return minimumMs + (jitter === "equal" ? (1 + random) / 2 : random) * ceilingMs;
  }

  /** Starts over; call it once a session has proved stable, not as soon as it opens. */
  reset(): void {
    this.attempts = 0;
  }
}

/**
 * The delay in milliseconds that a server tells one of `count` clients which it sends away: drawn
 * evenly over the time in which `ratePerSecond` clients a second come back.
 *
 * @throws {RangeError} If `ratePerSecond` is not above 0.
 */
export function spread(count: number, ratePerSecond: number, random: Random): number {
  if (!(ratePerSecond > 0)) {
    throw new RangeError(`A spread needs a ratePerSecond above 0: ${ratePerSecond}`);
  }
  return random() * count * 1000 / ratePerSecond;
}
