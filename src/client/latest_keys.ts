/**
 * The offset held for each key of a `latest` channel: what is no newer is stale, as a datagram
 * that was overtaken. A key never goes backwards.
 */
export class LatestKeys {
  readonly #offsets = new Map<string, number>();
  readonly #maxKeys: number;
  /** What the forgotten keys had at most. Of a key that is not held, only newer is news. */
  #floor = 0;

  constructor(maxKeys: number = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  /** Whether the publication is newer than what is held; then it is held. */
  accept(key: string, offset: number): boolean {
    const held = this.#offsets.get(key);
    if (offset <= (held ?? this.#floor)) return false;
    this.#offsets.set(key, offset);
    if (held === undefined && this.#offsets.size > this.#maxKeys) this.#forgetHalf();
    return true;
  }

  /** A reliable replay of all keys begins: nothing older is under way, so that any key is news. */
  replay(): void {
    this.#floor = 0;
  }

  /** The offsets start anew. */
  clear(): void {
    this.#offsets.clear();
    this.#floor = 0;
  }

  /** Half, so that the sorting is paid once in many keys. */
  #forgetHalf(): void {
    const oldest = [...this.#offsets].sort((a, b) => a[1] - b[1]);
    for (const [key, offset] of oldest.slice(0, Math.ceil(oldest.length / 2))) {
      this.#offsets.delete(key);
      this.#floor = offset;
    }
  }
}

/** Twice a server's default `maxKeys`: removed keys are held as well. */
const MAX_KEYS = 20_000;
