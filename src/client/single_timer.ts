import type { Clock, TimerId } from "../policy/clock.ts";
import type { HeartbeatWheel } from "../policy/heartbeat.ts";
import type { TimerEntry } from "../policy/timer_wheel.ts";

/** A timer wheel for one entry: a timer of the clock. */
export class SingleTimer implements HeartbeatWheel {
  readonly clock: Clock;
  /** Exact but for the clock's own lateness. */
  readonly granularityMs = 1;
  #timer: TimerId | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  schedule(entry: TimerEntry, delayMs: number): void {
    this.cancel();
    this.#timer = this.clock.setTimeout(() => {
      this.#timer = undefined;
      entry.onDue();
    }, Math.min(Math.max(delayMs, this.granularityMs), MAX_DELAY_MS));
  }

  cancel(): void {
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Runtimes run a timer at once if its delay is beyond a 32-bit integer. */
const MAX_DELAY_MS = 2 ** 31 - 1;
