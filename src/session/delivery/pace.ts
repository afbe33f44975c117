/**
 * How often a `latest` subscription is sent values, by how old they are when they come. A client
 * that falls behind, because its path or its own code is slow, gets fewer and newer ones: the wait
 * between two doubles with each report over the bound, and halves with each below half of it.
 */
export class Pace {
  readonly #maxAgeMs: number;
  #intervalMs = 0;
  #sentMs = 0;

  /** `maxAgeMs`: how old values may be before fewer are sent; 0 never sends fewer. */
  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs;
  }

  /** Whether fewer values are sent than come. */
  get slow(): boolean {
    return this.#intervalMs > 0;
  }

  /** Takes a report, in milliseconds. */
  aged(ageMs: number): void {
    if (this.#maxAgeMs === 0) return;
    if (ageMs > this.#maxAgeMs) {
      this.#intervalMs = Math.min(MOST_MS, Math.max(LEAST_MS, 2 * this.#intervalMs));
    } else if (ageMs < this.#maxAgeMs / 2) {
      this.#intervalMs = this.#intervalMs > LEAST_MS ? this.#intervalMs / 2 : 0;
    }
  }

  /** How long the next values are to wait, in milliseconds. */
  waitMs(nowMs: number): number {
    if (this.#intervalMs === 0) return 0;
    return Math.max(0, this.#sentMs + this.#intervalMs - nowMs);
  }

  /** Values are sent now. */
  sent(nowMs: number): void {
    this.#sentMs = nowMs;
  }
}

/** Half of sixty a second: the first step that makes a difference. */
const LEAST_MS = 33;

/** One a second is a slide show; fewer would look like a standstill. */
const MOST_MS = 1000;
