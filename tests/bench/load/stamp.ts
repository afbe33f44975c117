/** What a load client counts. */
export interface Tally {
  deliveries: number;
  /** Takes the latencies of the sampled subscribers, in milliseconds. */
  latencies: { push(latencyMs: number): void };
}

const OPEN = "<".charCodeAt(0);
const LETTER = "t".charCodeAt(0);
const CLOSE = ">".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
/** `<t` + 16 digits of microseconds + `>`. */
const STAMP_BYTES = 19;

/**
 * Counts the stamps in what one subscriber receives, whatever the framing around them: so the same
 * client serves every protocol at the same cost. A stamp may be cut by the end of a chunk.
 */
export class StampReader {
  readonly #tally: Tally;
  readonly #sampled: boolean;
  #cut: Uint8Array | undefined;

  constructor(tally: Tally, sampled: boolean) {
    this.#tally = tally;
    this.#sampled = sampled;
  }

  /** Reads the first `length` bytes, which the caller may reuse afterwards. */
  read(bytes: Uint8Array, length: number): void {
    if (this.#cut !== undefined) {
      const joined = new Uint8Array(this.#cut.length + length);
      joined.set(this.#cut);
      joined.set(bytes.subarray(0, length), this.#cut.length);
      this.#cut = undefined;
      bytes = joined;
      length = joined.length;
    }
    for (let i = 0; i < length; i++) {
      if (bytes[i] !== OPEN) continue;
      if (i + STAMP_BYTES > length) {
        this.#cut = bytes.slice(i, length);
        return;
      }
      if (bytes[i + 1] !== LETTER || bytes[i + STAMP_BYTES - 1] !== CLOSE) continue;
      this.#tally.deliveries += 1;
      if (this.#sampled) this.#tally.latencies.push(nowMicros() / 1000 - stampMs(bytes, i + 2));
      i += STAMP_BYTES - 1;
    }
  }
}

/** The clock of `stampedText()`: microseconds since 1970, the same in every process. */
export function nowMicros(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}

function stampMs(bytes: Uint8Array, start: number): number {
  let micros = 0;
  for (let i = start; i < start + STAMP_BYTES - 3; i++) micros = micros * 10 + bytes[i]! - ZERO;
  return micros / 1000;
}
