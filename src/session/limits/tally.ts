import type { LimitStore } from "../../broker/limit_store.ts";

/** What the tallies of a node share. */
export interface TallyStore {
  readonly limits: LimitStore;
  /** Whether its last answer was a failure: then nobody waits for the next. */
  failing: boolean;
  /** Is told when it begins to fail. */
  readonly onFailing: (error: unknown) => void;
}

/**
 * How many of something one subject has on this node, and has room for beside what it has on others:
 * those this node asks the store for, and it says there how many it has until they are given back.
 *
 * While the store is out of reach each node gives as many as all may have.
 */
export class Tally {
  readonly #name: string;
  readonly #max: number;
  readonly #store: TallyStore | undefined;
  #count = 0;
  /** Who waits for the store; no more than `#max`. */
  #waiting: ((granted: boolean) => void)[] = [];
  #asking = false;
  #dirty = false;

  /** @param store `undefined` where the node counts alone. */
  constructor(name: string, max: number, store: TallyStore | undefined) {
    this.#name = name;
    this.#max = max;
    this.#store = max === Infinity ? undefined : store;
  }

  /** How many there are on this node. */
  get count(): number {
    return this.#count;
  }

  /** Whether nothing is left of it, here or under way. */
  get idle(): boolean {
    return this.#count === 0 && this.#waiting.length === 0 && !this.#asking;
  }

  /** Takes one more, if there is room for it. */
  take(): boolean | Promise<boolean> {
    const store = this.#store;
    if (this.#count + this.#waiting.length >= this.#max) return false;
    if (store === undefined || store.failing) {
      this.keep();
      return true;
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.say();
    });
  }

  /** Counts what is there in any case: it was let in at another node. */
  keep(): void {
    this.#count++;
    this.say();
  }

  /** Gives one back. */
  give(): void {
    this.#count--;
    this.say();
  }

  /** Tells the store how many there are; again, so that it goes on counting them. */
  say(): void {
    if (this.#store === undefined) return;
    this.#dirty = true;
    if (!this.#asking) void this.#ask(this.#store);
  }

  /** One question at a time, so that the last answer is of the last number. */
  async #ask(store: TallyStore): Promise<void> {
    this.#asking = true;
    while (this.#dirty) {
      this.#dirty = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      // Counted while they wait, so that no others are let in in their place.
      this.#count += waiting.length;
      let granted = waiting.length;
      try {
        const has = this.#count - waiting.length;
        granted = await store.limits.claim(this.#name, has, waiting.length, this.#max);
        store.failing = false;
      } catch (error) {
        if (!store.failing) store.onFailing(error);
        store.failing = true;
      }
      this.#count -= waiting.length - granted;
      waiting.forEach((resolve, at) => resolve(at < granted));
    }
    this.#asking = false;
  }
}
