/** How old a channel's values were when clients got them, by their latest reports. */
export class Ages {
  readonly #reports: number[] = [];
  #next = 0;

  /** Takes a report, in milliseconds; at the limit the oldest goes. */
  add(ageMs: number): void {
    this.#reports[this.#next] = ageMs;
    this.#next = (this.#next + 1) % MAX_REPORTS;
  }

  /** The age in milliseconds that the part `q` of the reports is no more than. */
  quantile(q: number): number {
    const sorted = [...this.#reports].sort((a, b) => a - b);
    return sorted[Math.ceil(q * sorted.length) - 1]!;
  }
}

/** Enough for a 99th percentile; clients report every two seconds. */
const MAX_REPORTS = 256;
