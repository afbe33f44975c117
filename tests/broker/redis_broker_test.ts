import assert from "node:assert/strict";
import { ChannelKeys } from "../../src/broker/redis_keys.ts";
import { testBroker } from "./conformance.ts";
import { KEEP, type RedisNodes, startNodes } from "./redis_nodes.ts";
import { TestRedis } from "./redis_server.ts";

testBroker("RedisBroker", async (count) => {
  const redis = await TestRedis.start();
  const nodes = await startNodes(count, { url: redis.url }, { start: false });
  return harness(nodes, [redis]);
});

testBroker("RedisBroker over two servers", async (count) => {
  const servers = [await TestRedis.start(), await TestRedis.start()];
  const urls = servers.map(({ url }) => url);
  const nodes = await startNodes(count, { urls }, { start: false });
  return harness(nodes, servers);
});

function harness(nodes: RedisNodes, servers: readonly TestRedis[]) {
  return {
    nodes: nodes.brokers,
    delivered: () => nodes.delivered(),
    advance: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
    async forget(channel: string) {
      const { meta, history, latest, order } = new ChannelKeys("slipstream", channel);
      for (const server of servers) {
        await server.ask((redis) => redis.del(meta, history, latest, order));
      }
    },
    async close() {
      await nodes.close();
      for (const server of servers) await server.stop();
      assert.deepEqual(nodes.errors, []);
    },
  };
}

Deno.test("RedisBroker: what comes again from a publisher, at whatever node, is published once", async () => {
  const redis = await TestRedis.start();
  const nodes = await startNodes(2, { url: redis.url });
  const [a, b] = nodes.brokers;
  const data = { format: "json", bytes: new TextEncoder().encode("1") } as const;
  const publish = (node: typeof a, id: number, publisher = "s", channel = "c") =>
    node!.publish({ channel, publisher, data, once: { id, withinMs: 1000 } }, KEEP);
  try {
    const first = await publish(a, 1);
    const second = await publish(a, 2);
    assert.deepEqual(await publish(b, 1), first);
    assert.deepEqual(await Promise.all([publish(a, 2), publish(b, 2)]), [second, second]);
    assert.equal((await publish(b, 3)).offset, 3);
    assert.equal((await publish(a, 1, "other")).offset, 4);
    assert.equal((await publish(a, 1, "s", "d")).offset, 1);
    // Those under way at once are the newest 128 at most.
    assert.equal((await publish(a, 129)).offset, 5);
    assert.equal((await publish(b, 129)).offset, 5);
    const value = { channel: "l", key: "k", publisher: "s", data, once: { id: 4, withinMs: 1000 } };
    const latest = { ...KEEP, latest: true };
    assert.deepEqual(await b!.publish(value, latest), await a!.publish(value, latest));
    const { publications } = await a!.history("c", KEEP, { limit: 9 });
    assert.deepEqual(publications.map(({ offset }) => offset), [1, 2, 3, 4, 5]);
    await redis.ask(async (each) => {
      const keys = await each.keys("*:published:*");
      assert.equal(keys.length, 4);
      for (const key of keys) assert.ok(await each.pttl(key) <= 1000);
    });
  } finally {
    await nodes.close();
    await redis.stop();
  }
});
