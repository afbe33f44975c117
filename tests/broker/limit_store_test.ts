import { FakeClock } from "../fake_clock.ts";
import { MemoryLimits, MemoryLimitStore } from "./memory_limit_store.ts";
import { startLimitStores } from "./redis_nodes.ts";
import { TestRedis } from "./redis_server.ts";
import { testLimitStore } from "./test_limit_store.ts";

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
    return await startLimitStores({ urls, prefix: `test${++prefixes}` }, ttlMs);
  });
}
