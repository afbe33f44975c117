import type { Clock, TimerId } from "./clock.ts";

/**
 * Something that a {@linkcode TimerWheel} can wake: extend it, so that the links of the wheel's
 * lists are fields of the object itself and waiting allocates nothing.
 */
export abstract class TimerEntry {
  /** The wheel's own: the neighbours in the ring it waits in, `undefined` while it does not wait. */
  next: TimerEntry | undefined = undefined;
  /** The wheel's own. */
  previous: TimerEntry | undefined = undefined;
  /** The wheel's own: the tick at which it is due. */
  dueTick = 0;

  /**
   * Called when due, never early; by then the entry waits no longer and may be scheduled again.
   * What it throws becomes an uncaught error, as from any timer, and holds up no other entry.
   */
  abstract onDue(): void;
}

/** Options of a {@linkcode TimerWheel}. */
export interface TimerWheelOptions {
  /**
   * How late an entry may run, in milliseconds: entries due within one such step share a wake-up.
   * The default is about 1 % of the 20 s heartbeat, at no more than four wake-ups a second.
   *
   * @default 250
   */
  granularityMs?: number;
}

/**
 * One timer for the waits of all sessions of a node: a hashed timing wheel (Varghese and Lauck,
 * "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 6).
 *
 * - `schedule()` and `cancel()` take constant time and allocate nothing, so that 100,000 sessions
 *   can wait.
 * - At most one timer of the clock runs, set for the next slot that holds an entry. While nothing
 *   waits there is none: an idle wheel wakes no processor and keeps no process alive.
 * - An entry runs at or after its due time, by less than `granularityMs` plus what the event loop
 *   adds.
 */
export class TimerWheel {
  /** What the wheel measures by. */
  readonly clock: Clock;
  /** How late an entry may run, in milliseconds. */
  readonly granularityMs: number;
  readonly #slots: Ring[] = Array.from({ length: SLOTS }, () => new Ring());
  readonly #due = new Ring();
  readonly #originMs: number;
  #size = 0;
  /** The slots of every tick up to this one have been emptied of what was due. */
  #tick = 0;
  #timer: TimerId | undefined;
  #timerTick = Infinity;

  /** @throws {RangeError} If `granularityMs` is not a positive number. */
  constructor(clock: Clock, options: TimerWheelOptions = {}) {
    const { granularityMs = 250 } = options;
    if (!(granularityMs > 0 && granularityMs < Infinity)) {
      throw new RangeError(
        `The granularityMs of a timer wheel must be a positive number: ${granularityMs}`,
      );
    }
    this.clock = clock;
    this.granularityMs = granularityMs;
    this.#originMs = clock.now();
  }

  /** How many entries wait. */
  get size(): number {
    return this.#size;
  }

  /**
   * Wakes `entry` in `delayMs` milliseconds; moves it if it waits already. A delay of 0 or less
   * still waits for the clock's timer: an entry that schedules itself again cannot spin.
   *
   * @throws {RangeError} If `delayMs` is not finite.
   */
  schedule(entry: TimerEntry, delayMs: number): void {
    if (!Number.isFinite(delayMs)) {
      throw new RangeError(`A timer wheel needs a finite delay in milliseconds: ${delayMs}`);
    }
    if (entry.next !== undefined) this.#unlink(entry);
    const dueMs = this.clock.now() - this.#originMs + delayMs;
    entry.dueTick = Math.max(Math.ceil(dueMs / this.granularityMs), this.#tick + 1);
    this.#slots[entry.dueTick % SLOTS]!.append(entry);
    this.#size++;
    if (entry.dueTick < this.#timerTick) this.#arm(entry.dueTick);
  }

  /** Forgets `entry`; does nothing if it does not wait. */
  cancel(entry: TimerEntry): void {
    if (entry.next === undefined) return;
    this.#unlink(entry);
    if (this.#size === 0) this.#disarm();
  }

  #unlink(entry: TimerEntry): void {
    unlink(entry);
    this.#size--;
  }

  #arm(tick: number): void {
    this.#disarm();
    this.#timerTick = tick;
    // Rounded up: runtimes drop the fraction, and would wake before the tick for nothing.
    const delayMs = Math.ceil(this.#originMs + tick * this.granularityMs - this.clock.now());
    this.#timer = this.clock.setTimeout(this.#run, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS));
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerTick = Infinity;
  }

  readonly #run = (): void => {
    this.#timer = undefined;
    this.#collect(Math.floor((this.clock.now() - this.#originMs) / this.granularityMs));
    // Stays below every tick to come, so that schedule() in onDue() leaves the arming to the end.
    this.#timerTick = -1;
    try {
      while (this.#due.next !== this.#due) {
        const entry = this.#due.next;
        this.#unlink(entry);
        entry.onDue();
      }
    } finally {
      this.#rearm();
    }
  };

  /** Moves what is due by `nowTick` into the due ring, where it can still be cancelled. */
  #collect(nowTick: number): void {
    const lastTick = Math.min(nowTick, this.#tick + SLOTS);
    for (let tick = this.#tick + 1; tick <= lastTick; tick++) {
      const slot = this.#slots[tick % SLOTS]!;
      let entry = slot.next;
      while (entry !== slot) {
        const following = entry.next!;
        // A slot also holds what is due a whole turn of the wheel later.
        if (entry.dueTick <= nowTick) {
          unlink(entry);
          this.#due.append(entry);
        }
        entry = following;
      }
    }
    this.#tick = Math.max(this.#tick, nowTick);
  }

  #rearm(): void {
    this.#disarm();
    if (this.#size === 0) return;
    // Entries are left over where one has thrown.
    if (this.#due.next !== this.#due) return this.#arm(this.#tick);
    for (let tick = this.#tick + 1; tick <= this.#tick + SLOTS; tick++) {
      const slot = this.#slots[tick % SLOTS]!;
      if (slot.next !== slot) return this.#arm(tick);
    }
  }
}

/**
 * 512 steps of 250 ms are 128 s: the default heartbeat's whole 80 s fit into one turn, so that an
 * entry is looked at once, when due.
 */
const SLOTS = 512;

/** Runtimes run a timer at once if its delay is beyond a 32-bit integer. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The head of a doubly linked ring of entries; alone, it is its own neighbour. */
class Ring extends TimerEntry {
  override next: TimerEntry = this;
  override previous: TimerEntry = this;

  append(entry: TimerEntry): void {
    const last = this.previous;
    entry.previous = last;
    entry.next = this;
    last.next = entry;
    this.previous = entry;
  }

  override onDue(): void {}
}

function unlink(entry: TimerEntry): void {
  entry.next!.previous = entry.previous;
  entry.previous!.next = entry.next;
  entry.next = undefined;
  entry.previous = undefined;
}
