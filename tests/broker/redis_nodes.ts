import assert from "node:assert/strict";
import type { BrokerSink, Retention } from "../../src/broker/broker.ts";
import { RedisBroker } from "../../src/broker/redis_broker.ts";
import { RedisLimitStore } from "../../src/broker/redis_limit_store.ts";
import { RedisPresence } from "../../src/broker/redis_presence.ts";
import type { RedisOptions } from "../../src/options.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { systemRandom } from "../../src/policy/random.ts";
import type { LimitNodes } from "./test_limit_store.ts";

/** Several brokers of one Redis, each as if of a node of its own. */
export interface RedisNodes {
  readonly brokers: readonly RedisBroker[];
  readonly errors: unknown[];
  /** Resolves once all that was published has been heard of everywhere. */
  delivered(): Promise<void>;
  close(): Promise<void>;
}

export async function startNodes(
  count: number,
  redis: RedisOptions,
  { start = true, sink = SILENT, options = {} as RedisOptions } = {},
): Promise<RedisNodes> {
  const errors: unknown[] = [];
  const brokers = Array.from({ length: count }, () =>
    new RedisBroker({
      redis: { ...redis, ...options },
      clock: systemClock,
      random: systemRandom,
      onError: (error) => errors.push(error),
    }));
  if (start) await Promise.all(brokers.map((broker) => broker.start(sink)));
  return {
    brokers,
    errors,
    async delivered() {
      for (const broker of brokers) await broker.checked();
    },
    async close() {
      for (const broker of brokers) await broker.close();
    },
  };
}

const SILENT: BrokerSink = { publication() {}, interrupted() {} };

export const KEEP: Retention = {
  historySize: 1000,
  historyTtlMs: 60_000,
  latest: false,
  maxKeys: 100,
  keyTtlMs: 60_000,
};

/** Nodes that are subscribed to the channel `c`, with their presence. */
export async function startPresence(count: number, redis: RedisOptions, ttlMs = 60_000) {
  const { brokers, errors, close, delivered } = await startNodes(count, redis);
  for (const broker of brokers) await broker.subscribe("c", KEEP);
  const nodes = brokers.map((broker) =>
    new RedisPresence({ broker, clock: systemClock, random: systemRandom, ttlMs })
  );
  return {
    brokers,
    errors,
    nodes,
    delivered,
    async close() {
      for (const node of nodes) await node.close();
      await close();
    },
  };
}

/** Two nodes that count together; what a node says holds for `ttlMs`. */
export async function startLimitStores(redis: RedisOptions, ttlMs: number): Promise<LimitNodes> {
  const { brokers, close, errors } = await startNodes(2, redis);
  const nodes = brokers.map((broker, at) =>
    new RedisLimitStore({ broker, node: `node${at}`, ttlMs })
  );
  // ioredis opens a Cluster's sockets with the first commands, which may come too early.
  for (const node of nodes) {
    while (await node.claim("first", 0, 0, 1).catch(() => 1) > 0);
  }
  return {
    nodes,
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 1)),
    async close() {
      await close();
      assert.deepEqual(errors, []);
    },
  };
}
