import type { LimitStore } from "../../src/broker/limit_store.ts";
import type { Clock } from "../../src/policy/clock.ts";

/** What the nodes of a test count together. */
export class MemoryLimits {
  readonly clock: Clock;
  readonly windows = new Map<string, { endsMs: number; taken: number }>();
  readonly counts = new Map<string, Map<string, { count: number; endsMs: number }>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }
}

/** One node's view of them, which can be cut off. */
export class MemoryLimitStore implements LimitStore {
  readonly ttlMs: number;
  /** Whether it fails. */
  failing = false;
  /** How often it was asked. */
  asked = 0;
  readonly #node: string;
  readonly #limits: MemoryLimits;

  constructor(limits: MemoryLimits, node: string, ttlMs = 60_000) {
    this.#limits = limits;
    this.#node = node;
    this.ttlMs = ttlMs;
  }

  async take(name: string, perSecond: number, points: number): Promise<number> {
    await this.#answer();
    const { clock, windows } = this.#limits;
    const nowMs = clock.now();
    let window = windows.get(name);
    if (window === undefined || window.endsMs <= nowMs) {
      windows.set(name, window = { endsMs: nowMs + 1000, taken: 0 });
    }
    window.taken += points;
    return window.taken > perSecond ? window.endsMs - nowMs : 0;
  }

  async claim(name: string, has: number, wants: number, max: number): Promise<number> {
    await this.#answer();
    const nowMs = this.#limits.clock.now();
    const nodes = this.#limits.counts.get(name) ?? new Map();
    this.#limits.counts.set(name, nodes);
    let others = 0;
    for (const [node, { count, endsMs }] of nodes) {
      if (node !== this.#node && endsMs > nowMs) others += count;
    }
    const more = Math.max(0, Math.min(wants, max - others - has));
    if (has + more === 0) nodes.delete(this.#node);
    else nodes.set(this.#node, { count: has + more, endsMs: nowMs + this.ttlMs });
    return more;
  }

  async #answer(): Promise<void> {
    this.asked++;
    await Promise.resolve();
    if (this.failing) throw new Error("The store is out of reach");
  }
}
