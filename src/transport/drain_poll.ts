import type { Clock, TimerId } from "../policy/clock.ts";

/** Something that is full and gives no notice when it is not any more. */
export interface Congested {
  /** Whether it has drained, or ended. */
  pollDrained(): boolean;
}

/**
 * Asks what is full, and only that, whether it has drained: one timer for all, none while nothing
 * is full.
 */
export class DrainPoll {
  readonly #clock: Clock;
  readonly #congested = new Set<Congested>();
  #timer: TimerId | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks `congested` until it says yes. */
  add(congested: Congested): void {
    this.#congested.add(congested);
    this.#arm();
  }

  /** Forgets `congested`. */
  remove(congested: Congested): void {
    this.#congested.delete(congested);
    if (this.#congested.size > 0 || this.#timer === undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#congested.size === 0) return;
    this.#timer = this.#clock.setTimeout(this.#poll, INTERVAL_MS);
  }

  readonly #poll = (): void => {
    this.#timer = undefined;
    try {
      for (const congested of this.#congested) {
        if (congested.pollDrained()) this.#congested.delete(congested);
      }
    } finally {
      this.#arm();
    }
  };
}

/** 32 KiB, what the low water mark leaves to send meanwhile, last 10 ms at 26 Mbit/s. */
const INTERVAL_MS = 10;
