/**
 * The channels that one session has published to in the current minute, so that a client that makes
 * up names is held back.
 */
export class PublishedChannels {
  readonly #max: number;
  /** At most `#max`. */
  readonly #channels = new Set<string>();
  #endsMs = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether `channel` is one of them; so is the one that was published to `last`. */
  has(channel: string, last: string, nowMs: number): boolean {
    if (nowMs >= this.#endsMs) {
      this.#channels.clear();
      this.#channels.add(last);
      this.#endsMs = nowMs + WINDOW_MS;
    }
    return this.#channels.has(channel);
  }

  /** Whether there may be no more. */
  get full(): boolean {
    return this.#channels.size >= this.#max;
  }

  add(channel: string): void {
    this.#channels.add(channel);
  }
}

const WINDOW_MS = 60_000;
