import type { Clock } from "../src/policy/clock.ts";

/**
 * A clock that stands still until a test moves it.
 *
 * Timers run in the order of their due time, then of their making, and each sees `now()` at its due
 * time. A timer of 0 ms waits for the next advance, `advance(0)` included.
 *
 * - `advance()` is synchronous: for code whose timers await nothing.
 * - `advanceAsync()` lets everything already under way settle before the first timer, after each
 *   timer and at the end: for code that awaits between timers.
 */
export class FakeClock implements Clock {
  #nowMs: number;
  #nextId = 1;
  readonly #timers = new Map<number, { dueMs: number; callback: () => void }>();

  /** @param startMs What `now()` says at first; not 0, so that "unset" and "at the start" differ. */
  constructor(startMs = 1000) {
    this.#nowMs = startMs;
  }

  /** How many timers wait: 0 proves that nothing would keep a process alive. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, ms: number): number {
    const id = this.#nextId++;
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, ms), callback });
    return id;
  }

  clearTimeout(id: number | object): void {
    this.#timers.delete(id as number);
  }

  /** Moves time by `ms` and runs what falls due, timers started on the way included. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    while (this.#runNext(endMs));
    this.#nowMs = endMs;
  }

  /** Like `advance()`, with everything awaited so far settled around each timer. */
  async advanceAsync(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    while (this.#runNext(endMs)) await settle();
    this.#nowMs = endMs;
  }

  /** Moves time without running a timer, as for a process that was suspended. */
  suspend(ms: number): void {
    this.#nowMs += ms;
  }

  #runNext(endMs: number): boolean {
    let nextId = 0;
    let nextDueMs = Infinity;
    for (const [id, { dueMs }] of this.#timers) {
      if (dueMs <= endMs && dueMs < nextDueMs) {
        nextId = id;
        nextDueMs = dueMs;
      }
    }
    const next = this.#timers.get(nextId);
    if (next === undefined) return false;
    this.#timers.delete(nextId);
    this.#nowMs = Math.max(this.#nowMs, nextDueMs);
    next.callback();
    return true;
  }
}

/** Resolves once every microtask, and every microtask that those queued, has run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
