import assert from "node:assert/strict";
import type { PresenceSink } from "../../src/broker/presence.ts";
import type { RedisPresence } from "../../src/broker/redis_presence.ts";
import { until } from "../until.ts";
import { testPresence } from "./conformance.ts";
import { startPresence } from "./redis_nodes.ts";
import { TestRedis } from "./redis_server.ts";

for (const servers of [1, 2]) {
  testPresence(`RedisPresence over ${servers} Redis`, async (count) => {
    const all = await Promise.all(Array.from({ length: servers }, () => TestRedis.start()));
    const { nodes, delivered, close } = await startPresence(count, {
      urls: all.map(({ url }) => url),
    });
    return {
      nodes,
      delivered,
      async close() {
        await close();
        for (const redis of all) await redis.stop();
      },
    };
  });
}

Deno.test("RedisPresence tells of a burst in one message, and not of who only passed by", async () => {
  const redis = await TestRedis.start();
  const { nodes, brokers, close } = await startPresence(2, { url: redis.url });
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
  const { nodes, brokers, close } = await startPresence(2, { url: redis.url }, 400);
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

Deno.test("RedisPresence of a node that comes back late tells of nobody who left", async () => {
  const redis = await TestRedis.start();
  const { nodes, close } = await startPresence(1, { url: redis.url }, 600);
  const [events] = await record(nodes);
  await nodes[0]!.join("c", { session: "stays" });
  await until(() => events!.length === 1, "the join");
  redis.pause();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  redis.resume();
  await nodes[0]!.join("c", { session: "new" });
  assert.equal(await nodes[0]!.count("c"), 2);
  await until(() => events!.length === 2, "the second join");
  assert.deepEqual(events, ["+stays", "+new"]);
  await close();
  await redis.stop();
});

Deno.test("RedisPresence tells of thousands that go with their node in a few messages, once", async () => {
  const redis = await TestRedis.start();
  const { nodes, brokers, close } = await startPresence(3, { url: redis.url }, 1500);
  const events = await record(nodes);
  await redis.ask(async (observer) => {
    let messages = 0;
    await observer.subscribe("slipstream:{/c}");
    const sessions = Array.from({ length: 2500 }, (_, at) => `${at}`);
    await Promise.all(sessions.map((session) => nodes[0]!.join("c", { session })));
    await Promise.all([1, 2].map((at) => nodes[at]!.join("c", { session: `stays ${at}` })));
    await until(() => [1, 2].every((at) => events[at]!.length >= 2502), "all have joined");
    observer.on("message", () => messages++);
    await brokers[0]!.close();
    await until(() => [1, 2].every((at) => events[at]!.length >= 5002), "the lease ends");
    await observer.ping();
    assert.equal(messages, 3);
    for (const at of [1, 2]) {
      const left = events[at]!.filter((event) => event.startsWith("-"));
      assert.deepEqual(left.sort(), sessions.map((session) => `-${session}`).sort());
      assert.equal(await nodes[at]!.count("c"), 2);
    }
  });
  await close();
  await redis.stop();
});

Deno.test("RedisPresence is whole again after Redis lost everything, changes meanwhile included", async () => {
  const redis = await TestRedis.start();
  const { nodes, close } = await startPresence(2, { url: redis.url });
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
  const { nodes, close } = await startPresence(2, { url: redis.url });
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
