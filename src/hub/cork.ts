import { setImmediate } from "node:timers";
import type { Clock } from "../policy/clock.ts";

/** Something that gathers what is written in one turn of the event loop. */
export interface Corked {
  /** The cork's own: whether it waits to be flushed. */
  corked: boolean;
  /** Hands over what was gathered. Must not throw. */
  flush(): void;
}

export interface CorkOptions {
  readonly clock: Clock;
  /**
   * Runs a callback after the input of this turn of the event loop has been handled.
   * @default setImmediate, which takes in a whole turn; a microtask takes in nothing, and a timer
   * adds 2 ms
   */
  readonly schedule?: (callback: () => void) => void;
  /**
   * How long one turn may flush, in milliseconds; the rest goes on in the next turn, after the
   * input that came meanwhile.
   * @default 5
   */
  readonly sliceMs?: number;
}

/**
 * Flushes once per turn of the event loop whatever was written to in that turn, so that ten
 * messages to one peer leave in one write. The write is most of what a message costs.
 */
export class Cork {
  readonly #clock: Clock;
  readonly #schedule: (callback: () => void) => void;
  readonly #sliceMs: number;
  #waiting: Corked[] = [];
  #scheduled = false;

  constructor(options: CorkOptions) {
    this.#clock = options.clock;
    this.#schedule = options.schedule ?? setImmediate;
    this.#sliceMs = options.sliceMs ?? 5;
  }

  /** Has `corked` flushed at the end of this turn, once however often it is added. */
  add(corked: Corked): void {
    if (corked.corked) return;
    corked.corked = true;
    this.#waiting.push(corked);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(this.#run);
  }

  readonly #run = (): void => {
    const untilMs = this.#clock.now() + this.#sliceMs;
    const waiting = this.#waiting;
    // What a flush adds waits for the next turn: the end is taken before.
    const end = waiting.length;
    let at = 0;
    while (at < end) {
      const corked = waiting[at++]!;
      corked.corked = false;
      corked.flush();
      // Reading the clock costs as much as flushing a few.
      if (at % CHECK_EVERY === 0 && this.#clock.now() >= untilMs) break;
    }
    this.#waiting = at === waiting.length ? [] : waiting.slice(at);
    this.#scheduled = this.#waiting.length > 0;
    if (this.#scheduled) this.#schedule(this.#run);
  };
}

/** Sixteen flushes take about 0.1 ms: a slice is overrun by no more. */
const CHECK_EVERY = 16;
