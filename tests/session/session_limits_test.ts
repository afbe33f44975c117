import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import type { SessionOptions } from "../../src/options.ts";
import { TestNode, text } from "./node.ts";
import { TestClient } from "./test_client.ts";

function test(
  name: string,
  session: Partial<SessionOptions>,
  body: (node: TestNode, client: TestClient) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const node = await new TestNode({ session }).start();
    const client = new TestClient();
    client.connect(node);
    await node.turn();
    client.take();
    await body(node, client);
    client.transport.cut();
    await node.close();
    assert.deepEqual(node.errors, []);
  });
}

let ids = 100;

/** Publishes, and returns what is answered: "published", or the error. */
async function publish(
  node: TestNode,
  client: TestClient,
  channel: string,
  { size = 1, times = 1 } = {},
): Promise<string[]> {
  for (let at = 0; at < times; at++) {
    client.send({ type: "publish", id: ++ids, channel, data: text("x".repeat(size)) });
  }
  await node.turn();
  return client.take().filter(({ type }) => type !== "ping").map((m) =>
    m.type === "error" ? `${m.code} ${m.message}` : m.type
  );
}

test("a session publishes no faster than it may, and commands go on", {
  maxPublishesPerSecond: 10,
  publishBurst: 2,
}, async (node, client) => {
  assert.deepEqual(await publish(node, client, "chat:a", { times: 3 }), [
    "429 Publishes may come 10 a second (session.maxPublishesPerSecond): too many came",
    "published",
    "published",
  ]);
  client.subscribe("chat:b");
  await node.turn();
  assert.ok(client.take().some(({ type }) => type === "subscribed"));
  await node.advance(100);
  assert.deepEqual(await publish(node, client, "chat:a"), ["published"]);
  assert.equal(node.sessions.limitCounts["session.maxPublishesPerSecond"], 1);
});

test("the last value of a key is published, though it came over the publish rate", {
  maxPublishesPerSecond: 10,
  publishBurst: 1,
}, async (node, client) => {
  client.subscribe("cursors:a");
  for (const value of ["1", "2", "3"]) {
    client.send({ type: "publish", id: 0, channel: "cursors:a", key: "k", data: text(value) });
  }
  await node.turn();
  assert.equal(client.values.get("cursors:a")?.get("k")?.value, "1");
  await node.advance(500);
  assert.equal(client.values.get("cursors:a")?.get("k")?.value, "3");
});

test("a session sends no more bytes than it may, and is closed if it goes on", {
  maxBytesPerSecond: 1000,
  byteBurst: 2000,
  maxMessageBytes: 2000,
  maxCommandsPerSecond: 10,
  commandBurst: 10,
}, async (node, client) => {
  assert.deepEqual(await publish(node, client, "chat:a", { size: 1500, times: 2 }), [
    "429 Bytes may come 1000 a second (session.maxBytesPerSecond): too many came",
    "published",
  ]);
  // What is small has room before it.
  assert.deepEqual(await publish(node, client, "chat:a", { size: 100 }), ["published"]);
  await node.advance(1500);
  assert.deepEqual(await publish(node, client, "chat:a", { size: 1500 }), ["published"]);
  await publish(node, client, "chat:a", { size: 1500, times: 120 });
  assert.deepEqual(client.closes.map(({ code }) => code), [CloseCode.FLOODING]);
  assert.match(client.closes[0]!.reason, /^Bytes may come 1000 a second/);
});

test("a session publishes to so many channels in a minute, each as often as it likes", {
  maxChannels: 3,
}, async (node, client) => {
  for (const channel of ["chat:a", "chat:b", "chat:a", "chat:c", "chat:b"]) {
    assert.deepEqual(await publish(node, client, channel), ["published"]);
  }
  assert.deepEqual(await publish(node, client, "chat:d"), [
    '429 A session publishes to at most 3 channels in a minute (session.maxChannels): "chat:d"',
  ]);
  assert.deepEqual(await publish(node, client, "chat:c"), ["published"]);
  // Nobody may publish there, so it is none of them.
  assert.match((await publish(node, client, "none:a"))[0]!, /^404 /);
  assert.equal(node.sessions.limitCounts["session.maxChannels"], 1);
  await node.advance(60_000);
  for (const channel of ["chat:d", "chat:e"]) {
    assert.deepEqual(await publish(node, client, channel), ["published"]);
  }
  assert.match((await publish(node, client, "chat:f"))[0]!, /^429 /);
});
