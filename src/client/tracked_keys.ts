/** What a server is to be told of the keys that are wanted. */
export interface KeyChanges {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** The keys of a channel that a subscription wants, and which of them the server does not know. */
export class TrackedKeys {
  readonly #wanted: Set<string>;
  /**
   * By key whether it is to be added; else it is to be removed. One that is taken back stays: the
   * server may have heard of it all the same, by a transport that was lost.
   */
  readonly #changes = new Map<string, boolean>();

  constructor(keys: Iterable<string>) {
    this.#wanted = new Set(keys);
  }

  /** Changes what is wanted; true if these are the first changes that the server is to be told. */
  change(add: Iterable<string>, remove: Iterable<string>): boolean {
    const first = this.#changes.size === 0;
    for (const key of remove) if (this.#wanted.delete(key)) this.#changes.set(key, false);
    for (const key of add) {
      if (this.#wanted.has(key)) continue;
      this.#wanted.add(key);
      this.#changes.set(key, true);
    }
    return first && this.#changes.size > 0;
  }

  /** All that are wanted, for a server that knows nothing. */
  all(): readonly string[] {
    this.#changes.clear();
    return [...this.#wanted];
  }

  /** What the server is to be told, once; `undefined` if nothing. */
  take(): KeyChanges | undefined {
    if (this.#changes.size === 0) return undefined;
    const add: string[] = [];
    const remove: string[] = [];
    for (const [key, wanted] of this.#changes) (wanted ? add : remove).push(key);
    this.#changes.clear();
    return { add, remove };
  }

  /** The server may not have heard these changes: it is told again what of them still holds. */
  restore({ add, remove }: KeyChanges): void {
    for (const key of [...add, ...remove]) this.#changes.set(key, this.#wanted.has(key));
  }
}
