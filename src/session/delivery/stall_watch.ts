import { TimerEntry, type TimerWheel } from "../../policy/timer_wheel.ts";
import type { LaneQueue } from "./lane_queue.ts";

/** Who is told of lanes that do not get on. */
export interface StallOwner {
  readonly wheel: TimerWheel;
  readonly writeTimeoutMs: number;
  /** Something has waited for the lane for a second. */
  behind(queue: LaneQueue): void;
  /** The lane has taken nothing for `writeTimeoutMs`. */
  stalled(queue: LaneQueue): void;
}

/**
 * Watches one lane from the moment at which something has to wait for it until nothing does. Only
 * lanes that are behind have one: an idle session pays nothing.
 */
export class StallWatch extends TimerEntry {
  readonly #queue: LaneQueue;
  readonly #owner: StallOwner;
  /** What the lane held when it was looked at. */
  #bufferedBytes: number;
  /** Since when it has taken nothing, as far as was looked. */
  #sinceMs: number;
  #written = false;
  #told = false;

  constructor(queue: LaneQueue, owner: StallOwner) {
    super();
    this.#queue = queue;
    this.#owner = owner;
    this.#bufferedBytes = queue.lane.bufferedBytes;
    this.#sinceMs = owner.wheel.clock.now();
    owner.wheel.schedule(this, BEHIND_MS);
  }

  /** The lane had room again, and was written to. */
  written(): void {
    this.#written = true;
  }

  stop(): void {
    this.#owner.wheel.cancel(this);
  }

  override onDue(): void {
    const { wheel, writeTimeoutMs } = this.#owner;
    if (!this.#told) {
      this.#told = true;
      this.#owner.behind(this.#queue);
    }
    if (writeTimeoutMs === 0) return;
    const { bufferedBytes } = this.#queue.lane;
    const nowMs = wheel.clock.now();
    if (this.#written || bufferedBytes < this.#bufferedBytes) this.#sinceMs = nowMs;
    this.#written = false;
    this.#bufferedBytes = bufferedBytes;
    const leftMs = this.#sinceMs + writeTimeoutMs - nowMs;
    if (leftMs <= 0) return this.#owner.stalled(this.#queue);
    wheel.schedule(this, Math.min(leftMs, writeTimeoutMs / LOOKS));
  }
}

/** Longer than a burst needs on a slow path: 64 KiB at 0.5 Mbit/s. */
const BEHIND_MS = 1000;

/** How often a timeout's time is looked at: a lane is found at most a quarter of it too late. */
const LOOKS = 4;
