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

/** A client that says what it has seen, as the SDK does. */
async function acknowledging(node: TestNode, options = {}, keys?: string[]): Promise<TestClient> {
  const client = new TestClient();
  client.acknowledges = true;
  client.connect(node, { maxDatagramSize: 1200, ...options });
  client.send({
    type: "subscribe",
    id: client.nextId(),
    channel: "cursors:a",
    ...(keys && { keys }),
  });
  await node.turn();
  client.take();
  return client;
}

Deno.test("a value that the client has seen is not sent again when its key is quiet", async () => {
  const node = await new TestNode().start();
  const client = await acknowledging(node);
  for (const key of ["a", "b"]) await node.publish("cursors:a", "1", key);
  await node.turn();
  await node.advance(1000);
  assert.equal(publicationsOn(client, "datagram"), 2);
  assert.equal(publicationsOn(client, client.transport.control), 0);
  await node.close();
});

Deno.test("a value whose datagram is lost goes again as soon as three later ones have come", async () => {
  const node = await new TestNode().start();
  const losses = [0, 1, 1, 1, 1];
  const client = await acknowledging(node, { loss: 0.5, random: () => losses.shift() ?? 1 });
  await node.publish("cursors:a", "1", "lost");
  await node.turn();
  for (const key of ["a", "b"]) {
    await node.publish("cursors:a", "1", key);
    await node.turn();
  }
  await node.advance(60);
  assert.equal(client.values.get("cursors:a")!.get("lost"), undefined, "two may have overtaken it");
  await node.publish("cursors:a", "1", "c");
  await node.turn();
  await node.advance(60);
  assert.equal(client.values.get("cursors:a")!.get("lost")!.value, "1");
  assert.equal(publicationsOn(client, client.transport.control), 1, "it alone");
  await node.close();
});

Deno.test("a busy key costs no retransmission, however many of its values are lost", async () => {
  const node = await new TestNode().start();
  const random = seededRandom(5);
  const client = await acknowledging(node, { loss: 0.2, random });
  for (let at = 1; at <= 500; at++) {
    await node.publish("cursors:a", `${at}`, "busy");
    await node.advance(16);
  }
  assert.ok(publicationsOn(client, "datagram") < 450, "some were lost");
  assert.ok(publicationsOn(client, client.transport.control) <= 1);
  await node.advance(300);
  assert.equal(client.values.get("cursors:a")!.get("busy")!.value, "500");
  await node.close();
});

Deno.test("keys that go quiet under loss are settled in time, and none goes backwards", async () => {
  const node = await new TestNode().start();
  const random = seededRandom(9);
  const client = await acknowledging(node, { loss: 0.3, random: seededRandom(4) });
  for (let at = 1; at <= 300; at++) {
    await node.publish("cursors:a", `${at}`, `k${Math.floor(random() * 40)}`);
    await node.advance(10);
  }
  client.transport.loseLate();
  await node.advance(250);
  const values = client.values.get("cursors:a")!;
  const page = await node.hub.history("cursors:a", { limit: 100 });
  for (const { key, offset } of page.publications) assert.equal(values.get(key!)!.offset, offset);
  await node.close();
});

Deno.test("after a gap values wait for the client to have heard of it", async () => {
  const node = await new TestNode().start();
  const client = await acknowledging(node);
  await node.publish("cursors:a", "old", "k");
  await node.turn();
  await node.advance(100);
  client.transport.stalled = true;
  node.store.forget("cursors:a");
  node.hub.interrupted("cursors:a", { epoch: "another", offset: 0 });
  await node.turn();
  await node.publish("cursors:a", "new", "k");
  await node.turn();
  await node.advance(10);
  assert.equal(client.values.get("cursors:a")!.get("k")!.value, "old");
  client.transport.stalled = false;
  await node.advance(100);
  assert.equal(client.values.get("cursors:a")!.get("k")!.value, "new");
  client.take();
  await node.publish("cursors:a", "newer", "k");
  await node.turn();
  assert.equal(publicationsOn(client, "datagram"), 1, "by datagram again");
  await node.close();
});

Deno.test("values go by datagram again after a gap whose word came later than many datagrams", async () => {
  const node = await new TestNode().start();
  const client = await acknowledging(node);
  client.subscribe("cursors:b");
  await node.publish("cursors:a", "old", "k");
  await node.turn();
  await node.advance(100);
  client.transport.stalled = true;
  node.store.forget("cursors:a");
  node.hub.interrupted("cursors:a", { epoch: "another", offset: 0 });
  await node.turn();
  for (let count = 0; count < 200; count++) {
    await node.publish("cursors:b", `${count}`, "k");
    await node.advance(10);
  }
  client.transport.stalled = false;
  await node.turn();
  for (let count = 0; count < 100; count++) {
    await node.publish("cursors:b", `${count}`, "k");
    await node.advance(10);
  }
  client.take();
  await node.publish("cursors:a", "new", "k");
  await node.turn();
  assert.equal(client.values.get("cursors:a")!.get("k")!.value, "new");
  assert.equal(publicationsOn(client, "datagram"), 1);
  await node.close();
});

Deno.test("only the keys that are wanted are sent, and the newest value of those that are added", async () => {
  const node = await new TestNode().start();
  const client = await acknowledging(node, {}, ["a"]);
  for (const key of ["a", "b", "c"]) await node.publish("cursors:a", "1", key);
  await node.advance(1000);
  const keys = () => [...client.values.get("cursors:a")!.keys()];
  assert.deepEqual(keys(), ["a"]);
  client.send({ type: "track", id: 90, channel: "cursors:a", add: ["b"], remove: ["a"] });
  await node.turn();
  assert.deepEqual(keys(), ["a", "b"]);
  assert.ok(client.received.some((message) => message.type === "tracked" && message.id === 90));
  await node.publish("cursors:a", "2", "a");
  await node.publish("cursors:a", "2", "b");
  await node.advance(1000);
  const values = client.values.get("cursors:a")!;
  assert.deepEqual([values.get("a")!.value, values.get("b")!.value], ["1", "2"]);
  client.transport.cut();
  await node.publish("cursors:a", "3", "b");
  await node.publish("cursors:a", "3", "c");
  client.connect(node, { maxDatagramSize: 1200 });
  await node.turn();
  assert.equal(values.get("b")!.value, "3", "the keys last as long as the session");
  assert.equal(values.get("c"), undefined);
  assert.equal(node.hub.channel("cursors:a")!.subscribers, 1);
  await node.close();
});

Deno.test("keys are refused where they are too many, or where there are none", async () => {
  const node = await new TestNode({ session: { maxTrackedKeys: 2 } }).start();
  const client = await acknowledging(node, {}, ["a", "b"]);
  client.send({ type: "track", id: 90, channel: "cursors:a", add: ["c"], remove: ["a"] });
  client.send({ type: "track", id: 91, channel: "cursors:b", add: ["c"], remove: [] });
  client.send({ type: "subscribe", id: 92, channel: "cursors:c" });
  client.send({ type: "track", id: 93, channel: "cursors:c", add: ["c"], remove: [] });
  client.send({ type: "subscribe", id: 94, channel: "chat:a", keys: ["c"] });
  client.send({ type: "subscribe", id: 95, channel: "cursors:d", keys: ["1", "2", "3"] });
  await node.turn();
  const errors = client.received.flatMap((message) =>
    message.type === "error" ? [[message.id, message.code]] : []
  );
  assert.deepEqual(errors, [[90, 429], [91, 404], [93, 409], [94, 400], [95, 429]]);
  await node.close();
});

Deno.test("a client that falls behind gets fewer values, and the newest; then all again", async () => {
  const node = await new TestNode().start();
  const client = await acknowledging(node);
  const publishFor = async (ms: number) => {
    client.take();
    for (let at = 0; at < ms; at += 10) {
      await node.publish("cursors:a", `${node.clock.now()}`, "k");
      await node.advance(10);
    }
    return publicationsOn(client, "datagram");
  };
  assert.equal(await publishFor(1000), 100);
  for (let report = 0; report < 4; report++) {
    client.send({ type: "age", channel: "cursors:a", ageMs: 900 });
  }
  const few = await publishFor(1000);
  assert.ok(few >= 3 && few <= 6, `${few} a second`);
  assert.deepEqual(node.hub.channel("cursors:a")!.ageMs, { p50: 900, p99: 900 });
  for (let report = 0; report < 5; report++) {
    client.send({ type: "age", channel: "cursors:a", ageMs: 20 });
  }
  await publishFor(300);
  assert.equal(await publishFor(1000), 100);
  await node.close();
});

Deno.test("a value too large for a datagram goes by a short stream, and waits for no other", async () => {
  const node = await new TestNode().start();
  const client = await acknowledging(node, { maxDatagramSize: 100, lanes: 3 });
  await node.publish("cursors:a", "x".repeat(200), "large");
  await node.publish("cursors:a", "1", "small");
  await node.turn();
  const [stream] = client.transport.opened;
  assert.equal(publicationsOn(client, stream), 1);
  assert.equal(stream!.closed, true);
  assert.equal(publicationsOn(client, "datagram"), 1);
  client.transport.stalled = true;
  await node.publish("cursors:a", "y".repeat(200), "large");
  await node.turn();
  client.transport.opened.at(-1)!.stalled = true;
  await node.advance(1000);
  client.transport.stalled = false;
  await node.turn();
  assert.equal(client.values.get("cursors:a")!.get("large")!.value, "y".repeat(200));
  await node.close();
});
