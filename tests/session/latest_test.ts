import assert from "node:assert/strict";
import { seededRandom } from "../../src/policy/random.ts";
import { TestNode, text } from "./node.ts";
import { TestClient } from "./test_client.ts";

async function subscribed(node: TestNode, options = {}): Promise<TestClient> {
  const client = new TestClient();
  client.connect(node, { maxDatagramSize: 1200, ...options });
  client.subscribe("cursors:a");
  await node.turn();
  client.take();
  return client;
}

function publicationsOn(client: TestClient, lane: unknown): number {
  return client.received.filter((m, at) => m.type === "publication" && client.lanes[at] === lane)
    .length;
}

Deno.test("values go as datagrams, several in one, and come again once they are quiet", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node);
  for (const key of ["a", "b", "c"]) await node.publish("cursors:a", "1", key);
  await node.publish("cursors:a", "2", "a");
  await node.turn();
  assert.equal(publicationsOn(client, "datagram"), 3);
  assert.equal(publicationsOn(client, client.transport.control), 0);
  await node.advance(249);
  assert.equal(publicationsOn(client, client.transport.control), 0);
  await node.advance(1);
  assert.equal(publicationsOn(client, client.transport.control), 3);
  await node.advance(10_000);
  assert.equal(publicationsOn(client, client.transport.control), 3, "settled once");
  await node.close();
});

Deno.test("a key that keeps changing is not settled until it rests", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node);
  for (let at = 0; at < 10; at++) {
    await node.publish("cursors:a", `${at}`, "k");
    await node.advance(100);
  }
  assert.equal(publicationsOn(client, client.transport.control), 0);
  await node.advance(150);
  assert.equal(publicationsOn(client, client.transport.control), 1);
  await node.close();
});

Deno.test("who got a value reliably does not get it again", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, { maxDatagramSize: 0 });
  await node.publish("cursors:a", "1", "k");
  await node.advance(1000);
  assert.equal(client.take().length, 1);
  await node.close();
});

Deno.test("a value too large for a datagram goes reliably", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, { maxDatagramSize: 100 });
  await node.publish("cursors:a", "x".repeat(200), "k");
  await node.turn();
  assert.equal(publicationsOn(client, "datagram"), 0);
  assert.equal(publicationsOn(client, client.transport.control), 1);
  await node.close();
});

Deno.test("a key settles though every datagram is lost", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, { loss: 1, random: seededRandom(3) });
  await node.publish("cursors:a", "1", "k");
  await node.turn();
  assert.equal(client.values.get("cursors:a"), undefined);
  await node.advance(250);
  assert.equal(client.values.get("cursors:a")!.get("k")!.value, "1");
  await node.close();
});

Deno.test("a new subscriber gets every key; one that comes back also learns what was removed", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node);
  await node.publish("cursors:a", "1", "gone");
  await node.publish("cursors:a", "1", "kept");
  await node.turn();
  client.transport.cut();
  await node.hub.publish({ channel: "cursors:a", key: "gone", removed: true, data: text("") });
  client.connect(node, { maxDatagramSize: 1200 });
  const other = await subscribed(node);
  assert.deepEqual([...other.values.get("cursors:a")!.keys()], ["kept"]);
  assert.equal(client.values.get("cursors:a")!.get("gone")!.value, undefined);
  await node.close();
});

Deno.test("a value outlives neither its time nor the number of keys", async () => {
  const node = await new TestNode({
    namespaces: { cursors: { delivery: "latest", maxKeys: 2, keyTtlMs: 5000 } },
  }).start();
  const first = await subscribed(node);
  for (const key of ["a", "b", "c"]) await node.publish("cursors:a", "1", key);
  const second = await subscribed(node);
  assert.deepEqual([...second.values.get("cursors:a")!.keys()], ["b", "c"]);
  await node.advance(3000);
  await node.publish("cursors:a", "2", "b");
  await node.advance(2000);
  const third = await subscribed(node);
  assert.deepEqual([...third.values.get("cursors:a")!.keys()], ["b"]);
  assert.equal(first.values.get("cursors:a")!.size, 3);
  await node.close();
});

Deno.test("a publish by datagram wants no answer, not even an error", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node);
  client.send({ type: "publish", id: 0, channel: "cursors:a", key: "k", data: text("1") });
  client.send({ type: "publish", id: 0, channel: "nowhere", key: "k", data: text("1") });
  await node.turn();
  assert.deepEqual(client.take().map(({ type }) => type), ["publication"]);
  assert.deepEqual(node.errors, []);
  await node.close();
});
