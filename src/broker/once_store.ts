import type { Clock } from "../policy/clock.ts";

/** Keeps texts for a short time, each to be taken once, by whatever node. */
export interface OnceStore {
  /**
   * Keeps `text` under `name`, which must be new, for `ttlMs` milliseconds; false if there is no
   * room for it.
   *
   * @throws {CommandError} With 503 if it cannot be kept.
   */
  put(name: string, text: string, ttlMs: number): Promise<boolean>;
  /**
   * Takes what is under `name`: nobody gets it again. `undefined` if there is nothing.
   *
   * @throws {CommandError} With 503 if nobody can say.
   */
  take(name: string): Promise<string | undefined>;
}

/** The texts of a node that stands alone. */
export class MemoryOnceStore implements OnceStore {
  readonly #clock: Clock;
  readonly #maxTexts: number;
  /** In the order in which they were put, which is the order in which they expire. */
  readonly #texts = new Map<string, { readonly text: string; readonly expiresMs: number }>();

  /** All texts must be put with the same `ttlMs`. */
  constructor(clock: Clock, maxTexts: number) {
    this.#clock = clock;
    this.#maxTexts = maxTexts;
  }

  put(name: string, text: string, ttlMs: number): Promise<boolean> {
    const nowMs = this.#clock.now();
    for (const [known, { expiresMs }] of this.#texts) {
      if (expiresMs > nowMs) break;
      this.#texts.delete(known);
    }
    if (this.#texts.size >= this.#maxTexts) return Promise.resolve(false);
    this.#texts.set(name, { text, expiresMs: nowMs + ttlMs });
    return Promise.resolve(true);
  }

  take(name: string): Promise<string | undefined> {
    const kept = this.#texts.get(name);
    this.#texts.delete(name);
    const holds = kept !== undefined && kept.expiresMs > this.#clock.now();
    return Promise.resolve(holds ? kept.text : undefined);
  }
}
