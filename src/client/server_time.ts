/**
 * The server's clock by this one: a pong's time is taken for that of the middle of its round trip, as
 * in NTP (RFC 5905 §8), and wrong by half of the round trip at most. So the quickest one counts, until
 * it is so old that the clocks may have drifted apart.
 */
export class ServerTime {
  #offsetMs: number | undefined;
  #rttMs = Infinity;
  #atMs = 0;

  /** Takes the time that a pong told, which came now after a round trip of `rttMs`. */
  sample(serverMs: number, rttMs: number, nowMs: number): void {
    if (rttMs > this.#rttMs && nowMs - this.#atMs < KEPT_MS) return;
    this.#offsetMs = serverMs + rttMs / 2 - nowMs;
    this.#rttMs = rttMs;
    this.#atMs = nowMs;
  }

  /** The server's time, in milliseconds since 1970; `undefined` before it was told. */
  at(nowMs: number): number | undefined {
    return this.#offsetMs === undefined ? undefined : this.#offsetMs + nowMs;
  }
}

/** Clocks of computers drift apart by less than 6 ms in it (100 ppm). */
const KEPT_MS = 60_000;
