/** A timer that a {@linkcode Clock} started; only that clock can read it. */
export type TimerId = number | object;

/**
 * Time, injected into everything that waits or measures, so that a test can hold it still.
 *
 * It has no wall-clock time: nothing here may depend on what day it is, and a clock that an
 * administrator sets back would close live sessions.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start, with fractions; never goes backwards. */
  now(): number;
  /** Runs `callback` once, `ms` milliseconds from now (at most 2^31 - 1) or a little later. */
  setTimeout(callback: () => void, ms: number): TimerId;
  /** Stops a timer; does nothing to one that ran or was stopped. */
  clearTimeout(id: TimerId): void;
}

/** The runtime's own time: `performance.now()` and the global timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  // Browsers number their timers, Node makes them objects: each takes back what it gave.
  clearTimeout: (id) => clearTimeout(id as number),
};
