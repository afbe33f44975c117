import type { Clock } from "../../src/policy/clock.ts";

interface Entry {
  callback: (() => void) | undefined;
}

/**
 * A clock whose time passes as fast as its callbacks run, for millions of timers: one list for each
 * millisecond, so that starting a timer and running it cost the same however many there are. A
 * timer runs at the first whole millisecond that is not before its time; those of one millisecond in
 * the order of their making.
 */
export class VirtualClock implements Clock {
  #nowMs = 0;
  readonly #due: (Entry[] | undefined)[] = [];

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, ms: number): object {
    const dueMs = Math.max(this.#nowMs, Math.ceil(this.#nowMs + ms));
    const entry: Entry = { callback };
    (this.#due[dueMs] ??= []).push(entry);
    return entry;
  }

  clearTimeout(id: number | object): void {
    (id as Entry).callback = undefined;
  }

  /** Runs what falls due, up to `endMs` since the start, a whole number. */
  runUntil(endMs: number): void {
    for (; this.#nowMs < endMs; this.#nowMs++) this.#runDue();
    this.#runDue();
  }

  #runDue(): void {
    const due = this.#due[this.#nowMs];
    if (due === undefined) return;
    // Grows while it runs: a timer of 0 ms belongs to this millisecond.
    for (let i = 0; i < due.length; i++) due[i]!.callback?.();
    this.#due[this.#nowMs] = undefined;
  }
}
