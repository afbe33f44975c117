import type { LimitStore } from "../../broker/limit_store.ts";
import { EMPTY, type RateLimit } from "../../policy/rate_limit.ts";

/** A rate that many subjects have alike. */
export interface SharedRateTerms {
  /** Tokens that come in a second, where nodes share them; at most as many are there at once. */
  readonly perSecond: number;
  /** How they come on a node. */
  readonly limit: RateLimit;
}

/**
 * How fast one subject comes to all nodes. A node alone gives no more than the whole rate; of the
 * store it takes a tenth of a second's worth at a time, ahead of need, so that nothing waits for the
 * store. What is used before the answer comes is owed; once the store refuses, the node gives no
 * more until it has got what it owes.
 *
 * While the store is out of reach each node gives the whole rate.
 */
export class SharedRate {
  readonly #name: string;
  readonly #terms: SharedRateTerms;
  readonly #store: LimitStore | undefined;
  /** When the node's own bucket is full again. */
  #fullAtMs = 0;
  /** What was taken of the store and not used; below 0, what is owed. */
  #points = 0;
  /** The store has refused: no more is taken than what is left, until it has given what is owed. */
  #refused = false;
  /** When the store has more, or may be asked again after it failed. */
  #askAtMs = 0;
  #asking = false;

  constructor(name: string, terms: SharedRateTerms, store: LimitStore | undefined) {
    this.#name = name;
    this.#terms = terms;
    this.#store = store;
  }

  /**
   * Takes `tokens`, or a second's worth if that is less; false if there are not as many, and none taken.
   */
  take(tokens: number, nowMs: number): boolean {
    const { perSecond, limit } = this.#terms;
    const taken = tokens < perSecond ? tokens : perSecond;
    if (this.#refused && this.#points < taken) {
      if (nowMs >= this.#askAtMs) this.#askSoon(nowMs);
      return false;
    }
    const fullAtMs = limit.take(this.#fullAtMs, taken, nowMs);
    if (fullAtMs === EMPTY) return false;
    this.#fullAtMs = fullAtMs;
    if (this.#store !== undefined) {
      this.#points -= taken;
      if (this.#points < perSecond / 20 && nowMs >= this.#askAtMs) this.#askSoon(nowMs);
    }
    return true;
  }

  /** Whether the node's own bucket has all its tokens. */
  isFull(nowMs: number): boolean {
    return nowMs >= this.#fullAtMs;
  }

  #askSoon(nowMs: number): void {
    if (!this.#asking) void this.#ask(this.#store!, nowMs);
  }

  async #ask(store: LimitStore, nowMs: number): Promise<void> {
    this.#asking = true;
    const { perSecond } = this.#terms;
    try {
      // All that is taken in this turn of the event loop is asked for at once.
      await undefined;
      const points = Math.min(perSecond, Math.ceil(perSecond / 10 - this.#points));
      const waitMs = await store.take(this.#name, perSecond, points);
      if (waitMs === 0) this.#points += points;
      else this.#askAtMs = nowMs + waitMs;
      // No more is owed than the node's own bucket gives in a second.
      this.#points = Math.max(this.#points, -perSecond);
      this.#refused = waitMs > 0 || this.#refused && this.#points < 0;
    } catch {
      this.#points = 0;
      this.#refused = false;
      this.#askAtMs = nowMs + RETRY_MS;
    } finally {
      this.#asking = false;
    }
  }
}

/** Of many subjects few ask in the same moment; and a store that is back is soon asked. */
const RETRY_MS = 1000;
