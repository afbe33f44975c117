/** How old the publications of one subscription are when they come. */
export class AgeMeter {
  /** Smoothed, in milliseconds; `undefined` before the first. */
  smoothedMs: number | undefined;
  #reportedMs = -Infinity;

  /** Takes an age in milliseconds; returns the smoothed one if it is to be reported now. */
  add(ageMs: number, nowMs: number): number | undefined {
    // Clocks are compared to half of a round trip.
    const age = Math.max(0, ageMs);
    this.smoothedMs = this.smoothedMs === undefined
      ? age
      : this.smoothedMs + (age - this.smoothedMs) / 8;
    if (nowMs - this.#reportedMs < REPORT_MS) return undefined;
    this.#reportedMs = nowMs;
    return Math.round(this.smoothedMs);
  }
}

/** A server that sends too much hears of it within this; it costs a dozen bytes. */
const REPORT_MS = 2000;
