import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** When a {@linkcode CircuitBreaker} opens, and for how long. */
export interface CircuitBreakerOptions {
  /** Failures in a row after which it opens, in count. */
  readonly failures: number;
  /** How long it stays open, in milliseconds; up to a quarter more, so that nodes part ways. */
  readonly openMs: number;
}

/**
 * - `closed`: everyone may try.
 * - `open`: nobody may, until `openMs` are over.
 * - `half-open`: one may, and its outcome decides.
 */
export type CircuitState = "closed" | "open" | "half-open";

/** One attempt that a {@linkcode CircuitBreaker} let through. */
export type CircuitPass = number;

/**
 * Keeps from asking somebody who does not answer, so that neither waits for the other in vain.
 *
 * - Whoever wants to try calls `enter()`, and with a pass calls `succeed()`, `fail()` or `cancel()`
 *   once.
 * - The outcome of an attempt that began before the circuit last opened or closed says nothing of
 *   the present, and does not count.
 * - It holds no timer: it is half open when somebody asks after `openMs`.
 */
export class CircuitBreaker {
  readonly #failures: number;
  readonly #openMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  #inARow = 0;
  /** Counts openings and closings; the pass of an attempt is the number at its beginning. */
  #generation = 0;
  #probeAtMs: number | undefined;
  #probing = false;

  /** @throws {RangeError} If `failures` is below 1 or `openMs` is not above 0. */
  constructor({ failures, openMs }: CircuitBreakerOptions, clock: Clock, random: Random) {
    if (!(failures >= 1)) {
      throw new RangeError(`A circuit breaker opens after 1 failure or more: ${failures}`);
    }
    if (!(openMs > 0)) throw new RangeError(`A circuit breaker is open for some time: ${openMs}`);
    this.#failures = failures;
    this.#openMs = openMs;
    this.#clock = clock;
    this.#random = random;
  }

  get state(): CircuitState {
    if (this.#probeAtMs === undefined) return "closed";
    return this.retryInMs > 0 ? "open" : "half-open";
  }

  /** How long until somebody may try, in milliseconds; 0 if that is now, or waits for a probe. */
  get retryInMs(): number {
    if (this.#probeAtMs === undefined) return 0;
    return Math.max(0, this.#probeAtMs - this.#clock.now());
  }

  /** A pass to try now, or `undefined` if that would be in vain. */
  enter(): CircuitPass | undefined {
    switch (this.state) {
      case "closed":
        return this.#generation;
      case "open":
        return undefined;
      case "half-open":
        if (this.#probing) return undefined;
        this.#probing = true;
        return this.#generation;
    }
  }

  /** The attempt was answered. Returns whether that has closed the circuit. */
  succeed(pass: CircuitPass): boolean {
    if (pass !== this.#generation) return false;
    this.#inARow = 0;
    if (this.#probeAtMs === undefined) return false;
    this.#probeAtMs = undefined;
    this.#turn();
    return true;
  }

  /** The attempt was not answered. Returns whether that has opened the circuit, anew or again. */
  fail(pass: CircuitPass): boolean {
    if (pass !== this.#generation) return false;
    this.#inARow++;
    if (this.#probeAtMs === undefined && this.#inARow < this.#failures) return false;
    this.#probeAtMs = this.#clock.now() + this.#openMs * (1 + this.#random() / 4);
    this.#turn();
    return true;
  }

  /** The attempt was broken off: nobody knows whether it would have been answered. */
  cancel(pass: CircuitPass): void {
    if (pass === this.#generation) this.#probing = false;
  }

  #turn(): void {
    this.#generation++;
    this.#inARow = 0;
    this.#probing = false;
  }
}
