/** As many at once as there are slots; those who wait for one are in a line of bounded length. */
export class Slots {
  readonly #maxWaiting: number;
  #free: number;
  /** The longest waiting first. */
  readonly #waiting = new Set<() => void>();
  readonly #count: number;

  constructor(count: number, maxWaiting: number) {
    this.#count = count;
    this.#free = count;
    this.#maxWaiting = maxWaiting;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#count - this.#free;
  }

  /** How many wait for one. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves with `true` once a slot is the caller's, who gives it back by `release()`; with `false`
   * if the line is full.
   *
   * @throws The reason of `signal` if that is aborted first; there is no slot then.
   */
  async take(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    if (this.#waiting.size >= this.#maxWaiting) return false;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#waiting.delete(resolve);
      reject(signal.reason);
    };
    this.#waiting.add(resolve);
    signal.addEventListener("abort", leave);
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
    return true;
  }

  /** Gives a slot back: the one who has waited longest has it at once. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
    } else {
      this.#waiting.delete(next);
      next();
    }
  }
}
