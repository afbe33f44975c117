/**
 * The round-trip time to one peer, smoothed as RFC 6298 §2 has it, without its retransmission
 * timer: what a reader wants is the typical time and how much it varies.
 */
export class RttEstimator {
  /** The smoothed round-trip time in milliseconds (SRTT); `undefined` before the first sample. */
  smoothedMs: number | undefined = undefined;
  /** The mean deviation in milliseconds (RTTVAR). */
  variationMs = 0;
  /** The newest sample in milliseconds, unsmoothed. */
  latestMs = 0;

  /** Takes one measured round trip in milliseconds. */
  sample(ms: number): void {
    this.latestMs = ms;
    if (this.smoothedMs === undefined) {
      this.smoothedMs = ms;
      this.variationMs = ms / 2;
      return;
    }
    // RFC 6298 §2.3: the deviation first, by the old mean; alpha = 1/8, beta = 1/4.
    this.variationMs += (Math.abs(this.smoothedMs - ms) - this.variationMs) / 4;
    this.smoothedMs += (ms - this.smoothedMs) / 8;
  }
}
