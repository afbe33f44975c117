import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import { settle } from "../fake_clock.ts";
import { UnsteadyBroker } from "../hub/unsteady_broker.ts";
import { TestNode } from "./node.ts";
import { TestClient } from "./test_client.ts";

async function setUp(options = {}): Promise<[TestNode, UnsteadyBroker]> {
  let broker: UnsteadyBroker | undefined;
  const node = await new TestNode({
    ...options,
    broker: (inner: Broker) => broker = new UnsteadyBroker(inner),
  }).start();
  return [node, broker!];
}

async function turn(node: TestNode, broker: UnsteadyBroker): Promise<void> {
  await node.turn();
  while (broker.waiting > 0) {
    broker.answer();
    await node.turn();
  }
}

async function subscribed(node: TestNode, broker: UnsteadyBroker, channel: string, options = {}) {
  const client = new TestClient();
  client.connect(node, options);
  client.subscribe(channel);
  await turn(node, broker);
  client.take();
  return client;
}

Deno.test("a client that recovered ahead of live delivery gets nothing twice", async () => {
  const [node, broker] = await setUp();
  const other = await subscribed(node, broker, "chat:a");
  const client = await subscribed(node, broker, "chat:a");
  client.transport.cut();
  await node.publish("chat:a", "1");
  broker.deliver();
  await node.publish("chat:a", "2");
  client.connect(node);
  await turn(node, broker);
  assert.deepEqual(client.log.get("chat:a"), ["1", "2"]);
  assert.deepEqual(other.log.get("chat:a"), ["1"]);
  broker.deliver();
  await node.publish("chat:a", "3");
  broker.deliver();
  await turn(node, broker);
  for (const each of [client, other]) assert.deepEqual(each.log.get("chat:a"), ["1", "2", "3"]);
  await node.close();
});

Deno.test("what waits of a history that is gone is not sent", async () => {
  for (const channel of ["chat:a", "cursors:a"]) {
    const latest = channel === "cursors:a";
    const [node, broker] = await setUp();
    const client = await subscribed(node, broker, channel);
    await node.publish(channel, "old", latest ? "old" : undefined);
    broker.deliver();
    await broker.restart(channel, (name) => node.store.forget(name));
    await node.publish(channel, "new", latest ? "new" : undefined);
    broker.deliver();
    broker.answer();
    await settle();
    await turn(node, broker);
    const news = client.take().filter((m) => m.type !== "join");
    assert.deepEqual(news.map((m) => m.type), ["gap", "publication"]);
    await node.close();
  }
});

Deno.test("while the broker is gone sessions stay, and publishers learn of it", async () => {
  const [node, broker] = await setUp();
  const client = await subscribed(node, broker, "chat:a");
  broker.down = true;
  client.subscribe("chat:b");
  await turn(node, broker);
  const [error] = client.take();
  assert.deepEqual(error?.type === "error" && [error.code, error.message], [
    503,
    "The broker is gone",
  ]);
  assert.equal(client.transport.ended, undefined);
  assert.equal(node.hub.channels, 1);
  await node.close();
});

Deno.test("a subscription that cannot be resumed is ended, with the reason", async () => {
  const [node, broker] = await setUp();
  const client = await subscribed(node, broker, "chat:a");
  client.transport.cut();
  broker.down = true;
  client.connect(node);
  await turn(node, broker);
  const ended = client.take().find((m) => m.type === "unsubscribed");
  assert.deepEqual(ended, {
    type: "unsubscribed",
    id: 0,
    channel: "chat:a",
    code: 503,
    reason: "The broker is gone",
  });
  assert.deepEqual(await node.hub.members("chat:a"), []);
  await node.close();
});

Deno.test("a subscription that never began is asked for anew on the next transport", async () => {
  const [node, broker] = await setUp();
  const client = await subscribed(node, broker, "chat:a");
  client.subscribe("chat:b");
  client.transport.cut();
  client.connect(node);
  const id = client.subscribe("chat:b");
  await turn(node, broker);
  const answer = client.take().find((m) => "id" in m && m.id === id);
  assert.equal(answer?.type, "subscribed");
  await node.close();
});
