import assert from "node:assert/strict";
import type { LimitStore } from "../../src/broker/limit_store.ts";
import { RedisLimitStore } from "../../src/broker/redis_limit_store.ts";
import type { RedisOptions } from "../../src/options.ts";
import { FakeClock } from "../fake_clock.ts";
import { MemoryLimits, MemoryLimitStore } from "./memory_limit_store.ts";
import { startNodes } from "./redis_nodes.ts";
import { TestRedis } from "./redis_server.ts";

interface Nodes {
  readonly nodes: readonly LimitStore[];
  /** Lets time pass, of which Redis has its own. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** What every {@linkcode LimitStore} does. */
function testLimitStore(name: string, open: (ttlMs: number) => Promise<Nodes>): void {
  const test = (what: string, ttlMs: number, body: (nodes: Nodes) => Promise<void>) =>
    Deno.test(`${name} ${what}`, async () => {
      const nodes = await open(ttlMs);
      try {
        await body(nodes);
      } finally {
        await nodes.close();
      }
    });

  test("gives all nodes a second's points together", 60_000, async ({ nodes, advance }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.take("rate of {odd} names", 10, 6), 0);
    assert.equal(await other.take("rate of {odd} names", 10, 4), 0);
    const waitMs = await other.take("rate of {odd} names", 10, 1);
    assert.ok(waitMs > 0 && waitMs <= 1000, `${waitMs}`);
    assert.equal(await one.take("another", 10, 10), 0);
    await advance(waitMs);
    assert.equal(await one.take("rate of {odd} names", 10, 10), 0);
  });

  test("gives as many as there is room for beside the others'", 60_000, async ({ nodes }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.claim("a", 0, 2, 5), 2);
    assert.equal(await other.claim("a", 0, 9, 5), 3);
    assert.equal(await one.claim("a", 2, 1, 5), 0);
    assert.equal(await other.claim("a", 1, 0, 5), 0);
    assert.equal(await one.claim("a", 2, 9, 5), 2);
    assert.equal(await other.claim("b", 0, 9, 5), 5);
  });

  test("counts what a node has in any case", 60_000, async ({ nodes }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.claim("a", 7, 1, 5), 0);
    assert.equal(await other.claim("a", 0, 1, 5), 0);
    assert.equal(await one.claim("a", 0, 0, 5), 0);
    assert.equal(await other.claim("a", 0, 1, 5), 1);
  });

  test("counts what a node has until it no longer says so", 300, async ({ nodes, advance }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.claim("a", 0, 5, 5), 5);
    assert.equal(await other.claim("a", 0, 1, 5), 0);
    await advance(300);
    assert.equal(await other.claim("a", 0, 5, 5), 5);
  });
}

testLimitStore("MemoryLimitStore", (ttlMs) => {
  const clock = new FakeClock();
  const limits = new MemoryLimits(clock);
  return Promise.resolve({
    nodes: ["one", "other"].map((node) => new MemoryLimitStore(limits, node, ttlMs)),
    advance: (ms) => clock.advanceAsync(ms),
    close: () => Promise.resolve(),
  });
});

let servers: TestRedis[] = [];
Deno.test.beforeAll(async () => {
  servers = await Promise.all([TestRedis.start(), TestRedis.start()]);
});
Deno.test.afterAll(async () => {
  for (const server of servers) await server.stop();
});

let prefixes = 0;

for (const count of [1, 2]) {
  testLimitStore(`RedisLimitStore over ${count} of Redis`, async (ttlMs) => {
    const urls = servers.slice(0, count).map(({ url }) => url);
    return await openRedis({ urls, prefix: `test${++prefixes}` }, ttlMs);
  });
}

async function openRedis(redis: RedisOptions, ttlMs: number): Promise<Nodes> {
  const { brokers, close, errors } = await startNodes(2, redis);
  return {
    nodes: brokers.map((broker, at) => new RedisLimitStore({ broker, node: `node${at}`, ttlMs })),
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 1)),
    async close() {
      await close();
      assert.deepEqual(errors, []);
    },
  };
}
