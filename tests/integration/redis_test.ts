import assert from "node:assert/strict";
import type { ReceivedPublication } from "../../src/client/mod.ts";
import { until } from "../until.ts";
import { KINDS } from "./harness.ts";
import { withNodes } from "./nodes.ts";

Deno.test("clients of three nodes and three transports are in one channel, in one order", async () => {
  await withNodes(3, async (nodes) => {
    const logs = await Promise.all(nodes.map(async ({ client }, at) => {
      const got: ReceivedPublication[] = [];
      await client(KINDS[at]!).channel("chat:lobby").subscribe({
        onPublication: (publication) => got.push(publication),
      }).ready;
      return got;
    }));
    const writers = nodes.map(({ client }, at) => client(KINDS[(at + 1) % 3]!));
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        writers.map((writer, at) => writer.channel("chat:lobby").publish({ round, at })),
      );
    }
    for (const log of logs) await until(() => log.length === 30, "all publications");
    const orders = logs.map((log) => JSON.stringify(log.map(({ data }) => data)));
    assert.equal(new Set(orders).size, 1);
    assert.deepEqual(logs[0]!.map(({ offset }) => offset), range(30));
    for (const { server, log } of nodes) {
      assert.equal(server.redis!.connected, true);
      assert.deepEqual(log, []);
    }
  });
});

Deno.test("presence and history are of all nodes", async () => {
  await withNodes(2, async ([here, there]) => {
    const events: string[] = [];
    const ann = here!.client("websocket", { info: { name: "Ann" } });
    const channel = ann.channel("chat:lobby");
    await channel.subscribe({
      onPublication() {},
      onJoin: ({ info }) => events.push(`join ${JSON.stringify(info)}`),
      onLeave: ({ info }) => events.push(`leave ${JSON.stringify(info)}`),
    }).ready;
    const bob = there!.client("sse", { info: { name: "Bob" } });
    await bob.channel("chat:lobby").subscribe({ onPublication() {} }).ready;
    await until(() => events.includes('join {"name":"Bob"}'), "Bob joins");
    const members = await channel.presence();
    assert.deepEqual(members.map(({ info }) => info), [{ name: "Ann" }, { name: "Bob" }]);
    assert.equal(await there!.server.memberCount("chat:lobby"), 2);
    await assert.rejects(there!.server.memberCount("points:map"), { code: 404 });
    await bob.channel("chat:lobby").publish("hello");
    const { publications } = await channel.history({ limit: 5 });
    assert.deepEqual(publications.map(({ data }) => data), ["hello"]);
    bob.close();
    await until(() => events.includes('leave {"name":"Bob"}'), "Bob leaves");
  });
});

Deno.test("a newcomer on another node gets the newest of each key, then what follows", async () => {
  await withNodes(2, async ([here, there]) => {
    const writer = here!.client("webtransport").channel("points:map");
    for (const [key, x] of [["a", 1], ["b", 2], ["a", 3]] as const) {
      await here!.server.publish("points:map", { x }, { key });
    }
    const values = new Map<string, unknown>();
    await there!.client("websocket").channel("points:map").subscribe({
      onPublication: ({ key, data }) => values.set(key!, data),
    }).ready;
    await until(() => values.size === 2, "the snapshot");
    assert.deepEqual([...values].sort(), [["a", { x: 3 }], ["b", { x: 2 }]]);
    await writer.publish({ x: 9 }, { key: "b" });
    await until(() => JSON.stringify(values.get("b")) === '{"x":9}', "the update");
  });
});

Deno.test("while Redis is gone sessions stay and publishers are refused; then all goes on", async () => {
  await withNodes(2, async ([here, there], redis) => {
    const got: unknown[] = [];
    const gaps: unknown[] = [];
    const reader = there!.client("webtransport");
    await reader.channel("chat:lobby").subscribe({
      onPublication: ({ data }) => got.push(data),
      onGap: (gap) => gaps.push(gap),
    }).ready;
    const session = reader.session;
    const writer = here!.client("sse");
    await writer.channel("chat:lobby").publish(1);
    await until(() => got.length === 1, "the first");
    await redis.kill();
    await assert.rejects(writer.channel("chat:lobby").publish(2), { code: 503 });
    assert.equal(here!.server.redis!.connected, false);
    await redis.restart({ empty: true });
    await until(() => here!.server.redis!.connected && there!.server.redis!.connected, "Redis");
    await writer.channel("chat:lobby").publish(3);
    await until(() => got.length === 2, "the third");
    assert.deepEqual(got, [1, 3]);
    assert.equal(gaps.length, 1);
    assert.equal(reader.session, session);
  });
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}
