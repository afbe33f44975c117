/**
 * As many at once as there are slots. Those who wait for one are served by turns, one of each owner,
 * so that an owner who wants many waits for itself; and where the line is full, it is the newest of
 * the owner who has most in it that has to go.
 */
export class Slots {
  readonly #count: number;
  readonly #maxWaiting: number;
  #free: number;
  /** By owner, whoever is next first; of each, the longest waiting first. None is empty. */
  readonly #lines = new Map<string, Set<Waiter>>();
  #waiting = 0;

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
    return this.#waiting;
  }

  /**
   * Resolves with `true` once a slot is the caller's, who gives it back by `release()`; with `false`
   * if there is no place in the line, or no longer.
   *
   * @throws The reason of `signal` if that is aborted first; there is no slot then.
   */
  async take(owner: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    if (this.#waiting >= this.#maxWaiting && !this.#makePlace(owner)) return false;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const leave = () => {
      this.#remove(owner, resolve);
      reject(signal.reason);
    };
    const line = this.#lines.get(owner) ?? new Set();
    this.#lines.set(owner, line.add(resolve));
    this.#waiting++;
    signal.addEventListener("abort", leave);
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Gives a slot back: whoever is next has it at once. */
  release(): void {
    for (const [owner, line] of this.#lines) {
      const [next] = line;
      this.#remove(owner, next!);
      // Behind all others.
      if (this.#lines.delete(owner)) this.#lines.set(owner, line);
      return next!(true);
    }
    this.#free++;
  }

  /** Sends somebody out of the full line, unless `owner` has most in it. */
  #makePlace(owner: string): boolean {
    let greediest: string | undefined;
    let most = (this.#lines.get(owner)?.size ?? 0) + 1;
    for (const [each, { size }] of this.#lines) {
      if (size <= most) continue;
      greediest = each;
      most = size;
    }
    if (greediest === undefined) return false;
    const newest = [...this.#lines.get(greediest)!].at(-1)!;
    this.#remove(greediest, newest);
    newest(false);
    return true;
  }

  #remove(owner: string, waiter: Waiter): void {
    const line = this.#lines.get(owner);
    if (!line?.delete(waiter)) return;
    this.#waiting--;
    if (line.size === 0) this.#lines.delete(owner);
  }
}

/** Is told whether it has a slot. */
type Waiter = (has: boolean) => void;
