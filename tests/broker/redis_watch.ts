import assert from "node:assert/strict";
import { Hub } from "../../src/hub/hub.ts";
import { Namespaces } from "../../src/hub/namespaces.ts";
import type { Start, Subscriber } from "../../src/hub/subscriber.ts";
import { MemoryPresence } from "../../src/broker/memory_presence.ts";
import { RedisBroker } from "../../src/broker/redis_broker.ts";
import { NAMESPACE_DEFAULTS, type RedisOptions } from "../../src/options.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { systemRandom } from "../../src/policy/random.ts";
import type { EncodedMessage } from "../../src/protocol/encoded_message.ts";
import type { Position, Publication } from "../../src/protocol/message.ts";

/** A node up to its hub, with one subscriber of one channel. */
export interface WatchedNode {
  readonly hub: Hub;
  readonly broker: RedisBroker;
  readonly watcher: Watcher;
}

/** Notes the numbers that are published in a channel, and what is said of those that are missing. */
export class Watcher implements Subscriber {
  slot = -1;
  /** Numbers in order of arrival; `undefined` for a gap. */
  readonly log: (number | undefined)[] = [];

  begin(_start: Start, replay: readonly EncodedMessage[]): void {
    for (const { message } of replay) this.#note(message as unknown as Publication);
  }

  deliver(_message: EncodedMessage, publication: Publication): void {
    this.#note(publication);
  }

  inform(): void {}

  gap(_position: Position): void {
    this.log.push(undefined);
  }

  get last(): number {
    return this.log.findLast((number) => number !== undefined) ?? 0;
  }

  #note({ data }: Publication): void {
    this.log.push(Number(new TextDecoder().decode(data.bytes)));
  }
}

/** What became of publications, over all nodes. */
export interface Account {
  sent: number;
  kept: number;
  refused: number;
  received: number;
  gaps: number;
}

/** Nodes of one Redis that watch the channel `c`, and publish rising numbers to it. */
export class Watch {
  readonly nodes: readonly WatchedNode[];
  readonly errors: unknown[];
  readonly kept: number[] = [];
  /** How long the slowest answer took, in milliseconds. */
  slowestMs = 0;
  #sent = 0;
  #loading = false;
  #refused = 0;

  private constructor(nodes: readonly WatchedNode[], errors: unknown[]) {
    this.nodes = nodes;
    this.errors = errors;
  }

  static async start(count: number, redis: RedisOptions): Promise<Watch> {
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const nodes: WatchedNode[] = [];
    for (let at = 0; at < count; at++) {
      const shared = { clock: systemClock, random: systemRandom, onError };
      const broker = new RedisBroker({ redis, ...shared });
      const namespaces = new Namespaces({ c: NAMESPACE_DEFAULTS });
      const hub = new Hub({ broker, presence: new MemoryPresence(), namespaces, ...shared });
      await hub.start();
      const watcher = new Watcher();
      await hub.subscribe("c", watcher);
      nodes.push({ hub, broker, watcher });
    }
    return new Watch(nodes, errors);
  }

  /** Publishes the next number from a node; resolves to whether it was kept. */
  async publish(at = 0): Promise<boolean> {
    const number = ++this.#sent;
    const startMs = performance.now();
    const data = { format: "json", bytes: new TextEncoder().encode(`${number}`) } as const;
    try {
      await this.nodes[at]!.hub.publish({ channel: "c", data });
      this.kept.push(number);
      return true;
    } catch (error) {
      assert.equal((error as { code?: number }).code, 503, String(error));
      this.#refused++;
      return false;
    } finally {
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
    }
  }

  /** Resolves once a new one is kept and has arrived everywhere; publishes unless there is load. */
  async recovered(at = 0, withinMs = 20_000): Promise<void> {
    const endMs = performance.now() + withinMs;
    const before = this.kept.length;
    let last = 0;
    while (this.nodes.some(({ watcher }) => last === 0 || watcher.last < last)) {
      if (performance.now() > endMs) throw new Error(`Not recovered within ${withinMs} ms`);
      if (last === 0 && !this.#loading) await this.publish(at);
      last ||= this.kept[before] ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Publishes one after another, until the result is called. */
  load(at = 0): () => Promise<void> {
    this.#loading = true;
    const loop = (async () => {
      while (this.#loading) {
        await this.publish(at);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    return async () => {
      this.#loading = false;
      await loop;
    };
  }

  /** Checks that nothing came twice or out of order, and that nothing kept is missing unsaid. */
  account(): Account {
    for (const { watcher } of this.nodes) {
      let before = 0;
      let said = false;
      for (const number of watcher.log) {
        if (number === undefined) {
          said = true;
          continue;
        }
        assert(number > before, `${number} after ${before}`);
        const missing = this.kept.filter((kept) => kept > before && kept < number);
        assert(said || missing.length === 0, `${missing} are missing before ${number}`);
        [before, said] = [number, false];
      }
      const last = this.kept.at(-1) ?? 0;
      assert(before >= last || said, `${last} is missing at the end`);
    }
    const all = this.nodes.flatMap(({ watcher }) => watcher.log);
    return {
      sent: this.#sent,
      kept: this.kept.length,
      refused: this.#refused,
      received: all.filter((number) => number !== undefined).length,
      gaps: all.filter((number) => number === undefined).length,
    };
  }

  async close(): Promise<void> {
    for (const { hub } of this.nodes) await hub.close();
  }
}
