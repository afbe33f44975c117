import type { Clock, TimerId } from "../policy/clock.ts";

/** How the steps of a {@linkcode Pulse} went of late, in milliseconds. */
export interface PulseLoad {
  /** The work of one step: the middle one of 100, and the 99th. */
  readonly workMs: { readonly p50: number; readonly p99: number };
  /** By how much steps began too late: what everything else in the process takes. */
  readonly lateMs: { readonly p50: number; readonly p99: number };
}

/**
 * Calls `step` at an even rate, on average: a step that came late does not shift the next one. What
 * a stalled process has missed is skipped.
 */
export class Pulse {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #step: () => void;
  readonly #work = new Float64Array(SAMPLES);
  readonly #late = new Float64Array(SAMPLES);
  #count = 0;
  #dueMs = 0;
  #timer: TimerId | undefined;

  constructor(clock: Clock, perSecond: number, step: () => void) {
    this.#clock = clock;
    this.#intervalMs = 1000 / perSecond;
    this.#step = step;
  }

  start(): void {
    this.#dueMs = this.#clock.now() + this.#intervalMs;
    this.#wait();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get load(): PulseLoad {
    const filled = Math.min(this.#count, SAMPLES);
    return { workMs: quantiles(this.#work, filled), lateMs: quantiles(this.#late, filled) };
  }

  #wait(): void {
    this.#timer = this.#clock.setTimeout(this.#run, Math.max(0, this.#dueMs - this.#clock.now()));
  }

  readonly #run = (): void => {
    const startMs = this.#clock.now();
    const lateMs = startMs - this.#dueMs;
    this.#dueMs += this.#intervalMs * Math.max(1, Math.floor(lateMs / this.#intervalMs) + 1);
    this.#wait();
    this.#step();
    const slot = this.#count++ % SAMPLES;
    this.#work[slot] = this.#clock.now() - startMs;
    this.#late[slot] = Math.max(0, lateMs);
  };
}

/** Ten seconds of a game. */
const SAMPLES = 300;

function quantiles(samples: Float64Array, filled: number): { p50: number; p99: number } {
  const sorted = samples.slice(0, filled).sort();
  const at = (share: number) => sorted[Math.min(filled - 1, Math.floor(share * filled))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}
