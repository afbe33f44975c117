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

  /** Whether one may publish to `channel`, after `last`. */
  admit(channel: string, last: string, nowMs: number): boolean {
    const channels = this.#channels;
    if (nowMs >= this.#endsMs) {
      channels.clear();
      channels.add(last);
      this.#endsMs = nowMs + WINDOW_MS;
    }
    if (channels.has(channel)) return true;
    if (channels.size >= this.#max) return false;
    channels.add(channel);
    return true;
  }
}

const WINDOW_MS = 60_000;
