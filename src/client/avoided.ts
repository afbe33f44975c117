import type { Clock } from "../policy/clock.ts";
import type { Fallback } from "./race.ts";
import type { TransportKind } from "./transports/transport.ts";

/**
 * The transports that have stalled, each avoided for a while that doubles with each time: a client
 * must not go to and fro between two of them.
 */
export class Avoided {
  readonly #clock: Clock;
  readonly #firstMs: number;
  readonly #stalls = new Map<TransportKind, { count: number; untilMs: number; reason: string }>();

  /** `firstMs`: how long one that has stalled once is avoided, in milliseconds. */
  constructor(clock: Clock, firstMs: number) {
    this.#clock = clock;
    this.#firstMs = firstMs;
  }

  /** Notes that a transport has stalled. */
  add(kind: TransportKind, reason: string): void {
    const count = (this.#stalls.get(kind)?.count ?? 0) + 1;
    const avoidMs = this.#firstMs * Math.min(MOST_TIMES, 2 ** (count - 1));
    this.#stalls.set(kind, { count, untilMs: this.#clock.now() + avoidMs, reason });
  }

  /** The transports in this order, those last that are to be avoided. */
  sort(kinds: readonly TransportKind[]): readonly TransportKind[] {
    return [...kinds.filter((kind) => !this.has(kind)), ...kinds.filter((kind) => this.has(kind))];
  }

  /** Whether it is to be avoided by now. */
  has(kind: TransportKind): boolean {
    const stall = this.#stalls.get(kind);
    return stall !== undefined && this.#clock.now() < stall.untilMs;
  }

  /** Those to be avoided by now, and why. */
  get reasons(): readonly Fallback[] {
    return [...this.#stalls].filter(([kind]) => this.has(kind)).map(([transport, { reason }]) => ({
      transport,
      reason,
    }));
  }
}

/** A network that was repaired is found within half an hour, by default; one that was not costs less. */
export const MOST_TIMES = 30;
