import assert from "node:assert/strict";
import { MemoryPresenceStore } from "../../src/broker/memory_presence.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { TestNode } from "./node.ts";
import { TestClient } from "./test_client.ts";

async function subscribed(node: TestNode, ...channels: string[]): Promise<TestClient> {
  const client = new TestClient();
  client.connect(node);
  for (const channel of channels) client.subscribe(channel);
  await node.turn();
  client.take();
  return client;
}

Deno.test("a session goes on where its client left off, on any kind of transport", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, "chat:a");
  await node.publish("chat:a", "1");
  await node.turn();
  client.transport.cut();
  await node.publish("chat:a", "2");
  const before = client.connected!;
  for (const options of [{ encoding: "json" }, { lanes: 4, maxDatagramSize: 1200 }] as const) {
    client.connect(node, options);
    await node.turn();
    await node.publish("chat:a", "3");
    await node.turn();
    client.transport.cut();
    await node.publish("chat:a", "4");
  }
  const types = client.take().map((m) => m.type);
  assert.equal(client.connected!.session, before.session);
  assert.notEqual(client.connected!.ticket, before.ticket);
  assert.equal(client.connected!.resumed, true);
  assert.deepEqual(client.log.get("chat:a"), ["1", "2", "3", "4", "3"]);
  assert.deepEqual(types.filter((type) => type !== "publication"), [
    "connected",
    "subscribed",
    "connected",
    "subscribed",
  ]);
  await node.close();
});

Deno.test("a client that keeps no positions goes on after what was written to it", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, "chat:a");
  await node.publish("chat:a", "1");
  await node.turn();
  client.transport.stalled = true;
  for (let at = 0; at < 700; at++) await node.publish("chat:a", "x".repeat(100));
  await node.turn();
  const written = 1 + client.transport.control.bufferedMessages;
  client.transport.cut();
  client.positions.clear();
  client.connect(node);
  await node.turn();
  const start = client.take().find((m) => m.type === "subscribed");
  assert(start?.type === "subscribed");
  // What was written was lost with the transport: only a client with positions can tell.
  assert.equal(start.position.offset, written);
  assert.equal(client.positions.get("chat:a")!.offset, 701);
  await node.close();
});

Deno.test("a session that is attached already moves to the new transport", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, "chat:a");
  const old = client.transport;
  client.connect(node);
  await node.turn();
  assert.deepEqual(old.ended, {
    code: CloseCode.REPLACED,
    reason: "The session goes on over another transport",
  });
  await node.publish("chat:a", "1");
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["1"]);
  assert.equal(node.sessions.count, 1);
  assert.equal(node.sessions.transportCount, 1);
  await node.close();
});

Deno.test("a wrong ticket, an old ticket and an unknown session begin anew", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, "chat:a");
  const { session, ticket } = client.connected!;
  client.connect(node);
  await node.turn();
  client.subscribe("chat:b");
  for (
    const resume of [
      { session, ticket, positions: [] },
      { session, ticket: "", positions: [] },
      { session: "unknown", ticket: client.connected!.ticket, positions: [] },
    ]
  ) {
    const thief = new TestClient();
    thief.open(node);
    thief.send({ type: "connect", id: 1, resume });
    await node.turn();
    assert.equal(thief.connected!.resumed, false);
    assert.notEqual(thief.connected!.session, session);
  }
  assert.equal(client.transport.ended, undefined);
  await node.close();
});

Deno.test("a session ends after its resume window, at once if there is none", async () => {
  for (const [resumeWindowMs, count] of [[60_000, 1], [0, 0]] as const) {
    const node = await new TestNode({ session: { resumeWindowMs } }).start();
    const client = await subscribed(node, "chat:a");
    client.transport.cut();
    assert.equal(node.sessions.count, count);
    assert.equal(node.hub.channels, 0);
    await node.advance(60_251);
    assert.equal(node.sessions.count, 0);
    assert.equal(node.clock.pendingTimers, 1, "only the store's sweep is left");
    client.connect(node);
    await node.turn();
    assert.equal(client.connected!.resumed, false);
    await node.close();
  }
});

Deno.test("of too many sessions that wait, the one that has waited longest ends", async () => {
  const node = await new TestNode({ session: { maxDetachedSessions: 2 } }).start();
  const clients = [];
  for (let at = 0; at < 3; at++) clients.push(await subscribed(node));
  for (const client of clients) client.transport.cut();
  assert.equal(node.sessions.detachedCount, 2);
  for (const client of clients) client.connect(node);
  await node.turn();
  assert.deepEqual(clients.map(({ connected }) => connected!.resumed), [false, true, true]);
  await node.close();
});

Deno.test("a publish that is sent again after its answer was lost is published once", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, "chat:a");
  client.transport.stalled = true;
  const id = client.publish("chat:a", "once");
  await node.turn();
  client.transport.cut();
  client.connect(node);
  const again = {
    type: "publish",
    id,
    channel: "chat:a",
    data: { format: "binary", bytes: new TextEncoder().encode("once") },
  } as const;
  client.send(again);
  client.send(again);
  await node.turn();
  const answers = client.take().filter((m) => m.type === "published");
  assert.deepEqual(answers.map((m) => m.type === "published" && [m.id, m.position.offset]), [
    [id, 1],
    [id, 1],
  ]);
  assert.deepEqual(client.log.get("chat:a"), ["once"]);
  await node.close();
});

Deno.test("a publish whose broker is still at work when it is sent again is published once", async () => {
  let release = () => {};
  const node = await new TestNode({
    broker: (inner) =>
      Object.assign(Object.create(inner), {
        start: inner.start.bind(inner),
        subscribe: inner.subscribe.bind(inner),
        unsubscribe: inner.unsubscribe.bind(inner),
        history: inner.history.bind(inner),
        close: inner.close.bind(inner),
        publish: async (...args: Parameters<typeof inner.publish>) => {
          await new Promise<void>((resolve) => release = resolve);
          return inner.publish(...args);
        },
      }),
  }).start();
  const client = await subscribed(node, "chat:a");
  const id = client.publish("chat:a", "once");
  await node.turn();
  client.transport.cut();
  client.connect(node);
  const data = { format: "binary", bytes: new TextEncoder().encode("once") } as const;
  client.send({ type: "publish", id, channel: "chat:a", data });
  await node.turn();
  release();
  await node.turn();
  const answers = client.take().filter((m) => m.type === "published");
  assert.equal(answers.length, 1);
  assert.deepEqual(client.log.get("chat:a"), ["once"]);
  client.send({ type: "publish", id: 1, channel: "chat:a", data });
  await node.turn();
  const [error] = client.take();
  assert.equal(error?.type === "error" && error.code, 409);
  await node.close();
});

Deno.test("a subscribe that is sent again after its answer was lost is answered", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node);
  client.transport.stalled = true;
  const id = client.subscribe("chat:a");
  await node.turn();
  client.transport.cut();
  client.connect(node);
  client.send({ type: "subscribe", id, channel: "chat:a" });
  await node.turn();
  client.send({ type: "subscribe", id, channel: "chat:a" });
  await node.turn();
  const answers = client.take().filter((m) => m.type === "subscribed" || m.type === "error");
  assert.deepEqual(answers.map((m) => [m.type, "id" in m && m.id]), [
    ["subscribed", id],
    ["subscribed", id],
  ]);
  await node.close();
});

Deno.test("a subscription that loses its transport twice before it begins again is kept", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, "chat:a");
  client.transport.cut();
  await node.publish("chat:a", "1");
  client.connect(node);
  client.transport.cut();
  client.connect(node);
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["1"]);
  await node.close();
});

Deno.test("what is older than history is said to be missing", async () => {
  const node = await new TestNode({ namespaces: { chat: { historySize: 2 } } }).start();
  const client = await subscribed(node, "chat:a");
  await node.publish("chat:a", "1");
  await node.turn();
  client.transport.cut();
  for (const value of ["2", "3", "4"]) await node.publish("chat:a", value);
  client.connect(node);
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["1", "?1", "3", "4"]);
  await node.close();
});

Deno.test("a client told of a new history does not take it for the old one", async () => {
  const node = await new TestNode().start();
  const client = await subscribed(node, "chat:a");
  await node.publish("chat:a", "1");
  await node.turn();
  client.transport.cut();
  node.store.forget("chat:a");
  await node.publish("chat:a", "new");
  client.connect(node);
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["1", "?", "new"]);
  await node.close();
});

Deno.test("a client subscribes on another node from where it was", async () => {
  const first = await new TestNode({ presence: new MemoryPresenceStore() }).start();
  const second = await new TestNode({ store: first.store, clock: first.clock }).start();
  const client = await subscribed(first, "chat:a");
  await first.publish("chat:a", "1");
  await first.turn();
  client.transport.cut();
  await second.publish("chat:a", "2");
  client.connect(second);
  await second.turn();
  assert.equal(client.connected!.resumed, false);
  client.subscribe("chat:a");
  await second.turn();
  await first.publish("chat:a", "3");
  await second.turn();
  assert.deepEqual(client.log.get("chat:a"), ["1", "2", "3"]);
  await first.close();
  await second.close();
});
