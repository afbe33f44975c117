import assert from "node:assert/strict";
import { ChannelKeys } from "../../src/broker/redis_keys.ts";
import { testBroker } from "./conformance.ts";
import { type RedisNodes, startNodes } from "./redis_nodes.ts";
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
