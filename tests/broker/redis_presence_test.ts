import assert from "node:assert/strict";
import type { PresenceSink } from "../../src/broker/presence.ts";
import { RedisPresence } from "../../src/broker/redis_presence.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { systemRandom } from "../../src/policy/random.ts";
import { until } from "../until.ts";
import { testPresence } from "./conformance.ts";
import { KEEP, startNodes } from "./redis_nodes.ts";
import { TestRedis } from "./redis_server.ts";

testPresence("RedisPresence", async (count) => {
  const redis = await TestRedis.start();
  const { brokers, nodes, close } = await startPresence(count, redis);
  return {
    nodes,
    async delivered() {
      for (const broker of brokers) await broker.checked();
    },
    async close() {
      await close();
      await redis.stop();
    },
  };
});

Deno.test("RedisPresence tells of a burst in one message, and not of who only passed by", async () => {
  const redis = await TestRedis.start();
  const { nodes, brokers, close } = await startPresence(2, redis);
  const events = await record(nodes);
  await redis.ask(async (observer) => {
    let messages = 0;
    observer.on("message", () => messages++);
    await observer.subscribe("slipstream:{/c}");
    const joins = Array.from({ length: 300 }, (_, at) => nodes[0]!.join("c", { session: `${at}` }));
    nodes[0]!.join("c", { session: "passing" });
    nodes[0]!.leave("c", "passing");
    await Promise.all(joins);
    await brokers[1]!.checked();
    await observer.ping();
    assert.equal(messages, 1);
  });
  assert.deepEqual(events[1], Array.from({ length: 300 }, (_, at) => `+${at}`));
  assert.equal(await nodes[1]!.count("c"), 300);
  await close();
  await redis.stop();
});

Deno.test("RedisPresence lets the members of a node that dies go after their time", async () => {
  const redis = await TestRedis.start();
  const { nodes, brokers, close } = await startPresence(2, redis, 400);
  const events = await record(nodes);
  await nodes[0]!.join("c", { session: "dies" });
  await nodes[1]!.join("c", { session: "stays" });
  await brokers[0]!.close();
  await until(() => events[1]!.includes("-dies"), "the lease ends");
  assert.deepEqual(await nodes[1]!.members("c", 9), [{ session: "stays" }]);
  assert.deepEqual(events[1], ["+dies", "+stays", "-dies"]);
  await close();
  await redis.stop();
});

Deno.test("RedisPresence is whole again after Redis lost everything, changes meanwhile included", async () => {
  const redis = await TestRedis.start();
  const { nodes, close } = await startPresence(2, redis);
  await record(nodes);
  await nodes[0]!.join("c", { session: "a" });
  await nodes[1]!.join("c", { session: "b" });
  await redis.kill();
  await nodes[0]!.join("c", { session: "while gone" });
  await nodes[1]!.leave("c", "b");
  await redis.restart({ empty: true });
  let members: string[] = [];
  while (members.length !== 2) {
    members = await nodes[1]!.members("c", 9).then(
      (list) => list.map(({ session }) => session),
      () => [],
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(members.sort(), ["a", "while gone"]);
  await close();
  await redis.stop();
});

Deno.test("RedisPresence keeps a session that has moved to another node when the first lets it go", async () => {
  const redis = await TestRedis.start();
  const { nodes, close } = await startPresence(2, redis);
  const events = await record(nodes);
  await nodes[0]!.join("c", { session: "s" });
  await nodes[1]!.join("c", { session: "s" });
  await nodes[0]!.leave("c", "s");
  assert.deepEqual(await nodes[0]!.members("c", 9), [{ session: "s" }]);
  await nodes[1]!.leave("c", "s");
  assert.equal(await nodes[0]!.count("c"), 0);
  await until(() => events[0]!.length === 2, "the leave");
  assert.deepEqual(events[0], ["+s", "-s"]);
  await close();
  await redis.stop();
});

async function startPresence(count: number, redis: TestRedis, ttlMs = 60_000) {
  const { brokers, close } = await startNodes(count, { url: redis.url });
  for (const broker of brokers) await broker.subscribe("c", KEEP);
  const nodes = brokers.map((broker) =>
    new RedisPresence({ broker, clock: systemClock, random: systemRandom, ttlMs })
  );
  return {
    brokers,
    nodes,
    async close() {
      for (const node of nodes) await node.close();
      await close();
    },
  };
}

async function record(nodes: readonly RedisPresence[]): Promise<string[][]> {
  return await Promise.all(nodes.map(async (node) => {
    const log: string[] = [];
    const sink: PresenceSink = {
      joined: (_channel, { session }) => log.push(`+${session}`),
      left: (_channel, { session }) => log.push(`-${session}`),
    };
    await node.start(sink);
    return log;
  }));
}
