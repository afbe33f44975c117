import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import type { SlowSession } from "../../src/session/delivery/slow_session.ts";
import type { PairedTransportOptions } from "../paired_transport.ts";
import { TestNode } from "./node.ts";
import { TestClient } from "./test_client.ts";

const LIMITS = { maxQueueBytes: 4000, highWaterBytes: 1000 };

async function slowNode(namespaces = {}, session = {}): Promise<TestNode> {
  return await new TestNode({ session: { ...LIMITS, ...session }, namespaces }).start();
}

async function subscribed(
  node: TestNode,
  channels: string[],
  options: PairedTransportOptions = {},
): Promise<TestClient> {
  const client = new TestClient();
  client.connect(node, { highWaterBytes: 1000, ...options });
  for (const channel of channels) client.subscribe(channel);
  await node.turn();
  client.take();
  return client;
}

const LONG = "x".repeat(80);

Deno.test("a slow consumer is closed, resumable, and nobody else hears of it", async () => {
  const node = await slowNode();
  const slow = await subscribed(node, ["chat:a"]);
  const quick = await subscribed(node, ["chat:a"]);
  slow.transport.stalled = true;
  for (let at = 0; at < 60; at++) {
    await node.publish("chat:a", `${at}${LONG}`);
    await node.turn();
  }
  assert.equal(slow.transport.ended?.code, CloseCode.SLOW_CONSUMER);
  assert.match(slow.transport.ended!.reason, /^The peer reads too slowly: \d+ bytes wait$/);
  assert.equal(quick.log.get("chat:a")!.length, 60);
  assert.equal(quick.transport.ended, undefined);
  for (let rounds = 0; slow.positions.get("chat:a")!.offset < 60; rounds++) {
    assert(rounds < 4, "a client must get on with each return");
    slow.connect(node, { highWaterBytes: 1000 });
    await node.turn();
  }
  const log = slow.log.get("chat:a")!;
  assert.equal(log.at(-1), quick.log.get("chat:a")!.at(-1));
  await node.close();
});

Deno.test("a slow consumer of a gap namespace loses its oldest publications and is told", async () => {
  const node = await slowNode({ ticks: { overflow: "gap" } });
  const slow = await subscribed(node, ["ticks:a"]);
  slow.transport.stalled = true;
  for (let at = 1; at <= 200; at++) {
    await node.publish("ticks:a", `${at} ${LONG}`);
    await node.turn();
    assert(slow.transport.control.bufferedBytes < 1200);
  }
  slow.transport.stalled = false;
  await node.turn();
  const log = slow.log.get("ticks:a")!.map((value) => value.split(" ")[0]!);
  assert.equal(slow.transport.ended, undefined);
  assert.equal(log.filter((value) => value.startsWith("?")).length, 1);
  const gapAt = log.findIndex((value) => value.startsWith("?"));
  const missed = Number(log[gapAt]!.slice(1));
  assert.equal(missed + log.length - 1, 200);
  assert.equal(Number(log[gapAt + 1]), gapAt + missed + 1);
  assert.equal(log.at(-1), "200");
  await node.close();
});

Deno.test("a stalled channel with a lane of its own does not hold up another", async () => {
  const node = await slowNode();
  const client = await subscribed(node, ["chat:a", "chat:b"], { lanes: 8 });
  const [first, second] = client.transport.opened;
  first!.stalled = true;
  await node.publish("chat:a", "a1");
  await node.publish("chat:b", "b1");
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), []);
  assert.deepEqual(client.log.get("chat:b"), ["b1"]);
  assert(!second!.stalled);
  first!.stalled = false;
  assert.deepEqual(client.log.get("chat:a"), ["a1"]);
  client.unsubscribe("chat:a");
  await node.turn();
  assert(first!.closed);
  assert.equal(client.lanes[client.received.findIndex((m) => m.type === "unsubscribed")], first);
  await node.close();
});

Deno.test("subscriptions over the lanes' cap share the control lane", async () => {
  const node = await slowNode();
  const client = await subscribed(node, ["chat:a", "chat:b"], { lanes: 1 });
  await node.publish("chat:a", "a1");
  await node.publish("chat:b", "b1");
  await node.turn();
  const laneOf = (channel: string) =>
    client.lanes[client.received.findIndex((m) => "channel" in m && m.channel === channel)];
  assert.equal(laneOf("chat:a"), client.transport.opened[0]);
  assert.equal(laneOf("chat:b"), client.transport.control);
  await node.close();
});

Deno.test("answers wait for a slow consumer too, and are never dropped for publications", async () => {
  const node = await slowNode({ ticks: { overflow: "gap" } });
  const client = await subscribed(node, ["ticks:a"]);
  client.transport.stalled = true;
  const ids: number[] = [];
  for (let at = 0; at < 40; at++) {
    ids.push(client.publish("ticks:a", LONG));
    await node.turn();
  }
  client.transport.stalled = false;
  await node.turn();
  const answered = client.received.flatMap((m) => m.type === "published" ? [m.id] : []);
  assert.deepEqual(answered, ids);
  await node.close();
});

Deno.test("pings that are not read end in a close, not in a growing queue", async () => {
  const node = await slowNode({}, { maxCommandsPerSecond: Infinity });
  const client = await subscribed(node, []);
  client.transport.stalled = true;
  for (let at = 0; at < 3000 && client.transport.ended === undefined; at++) {
    client.send({ type: "ping", id: at });
    if (at % 10 === 0) await node.turn();
  }
  assert.equal(client.transport.ended?.code, CloseCode.SLOW_CONSUMER);
  await node.close();
});

Deno.test("a replay larger than the queue gives the newest and says the rest is missing", async () => {
  const node = await slowNode();
  const client = await subscribed(node, ["chat:a"]);
  await node.publish("chat:a", "1");
  await node.turn();
  client.transport.cut();
  for (let at = 2; at <= 100; at++) await node.publish("chat:a", `${at} ${LONG}`);
  client.connect(node, { highWaterBytes: 1000 });
  await node.turn();
  assert.equal(client.transport.ended, undefined);
  const [, gap, first] = client.log.get("chat:a")!.map((value) => value.split(" ")[0]!);
  assert.match(gap!, /^\?\d+$/);
  assert.equal(Number(first), Number(gap!.slice(1)) + 2);
  assert.equal(client.positions.get("chat:a")!.offset, 100);
  await node.close();
});

Deno.test("while a client is behind, only the newest value of each key waits", async () => {
  const node = await slowNode();
  const client = await subscribed(node, ["cursors:a"]);
  client.transport.stalled = true;
  for (let at = 0; at < 500; at++) {
    await node.publish("cursors:a", `${at} ${LONG}`, `k${at % 5}`);
    await node.turn();
    assert(client.transport.control.bufferedBytes < 1200);
  }
  client.take();
  client.transport.stalled = false;
  await node.turn();
  assert(client.take().length < 20);
  const values = client.values.get("cursors:a")!;
  for (let key = 0; key < 5; key++) {
    assert.equal(values.get(`k${key}`)!.value!.split(" ")[0], `${495 + key}`);
  }
  await node.close();
});

Deno.test("a snapshot larger than the queue arrives whole, as the lane takes it", async () => {
  const node = await slowNode();
  for (let key = 0; key < 200; key++) await node.publish("cursors:a", LONG, `k${key}`);
  const client = new TestClient();
  client.connect(node, { highWaterBytes: 1000 });
  await node.turn();
  client.transport.stalled = true;
  client.subscribe("cursors:a");
  for (let rounds = 0; rounds < 40; rounds++) {
    await node.turn();
    client.transport.stalled = false;
    client.transport.stalled = true;
  }
  assert.equal(client.values.get("cursors:a")!.size, 200);
  assert.equal(client.transport.ended, undefined);
  await node.close();
});

Deno.test("values wait where another lane has taken the whole budget, and arrive after it", async () => {
  const node = await slowNode({ ticks: { overflow: "gap" } });
  const client = await subscribed(node, ["ticks:a", "cursors:a"], { lanes: 1 });
  const [lane] = client.transport.opened;
  lane!.stalled = true;
  for (let at = 0; at < 100; at++) await node.publish("ticks:a", LONG);
  for (let at = 0; at < 40; at++) await node.publish("cursors:a", "x".repeat(1500), `${at}`);
  await node.turn();
  lane!.stalled = false;
  await node.turn();
  assert.equal(client.values.get("cursors:a")!.size, 40);
  await node.close();
});

Deno.test("a lane that takes nothing is given up after the write timeout, resumable", async () => {
  const node = await slowNode({}, { writeTimeoutMs: 8000, resumeWindowMs: 60_000 });
  const slow = await subscribed(node, ["chat:a"]);
  slow.transport.stalled = true;
  for (let at = 0; at < 20; at++) {
    await node.publish("chat:a", LONG);
    await node.turn();
  }
  await node.advance(7000);
  assert.equal(slow.closes.length, 0);
  await node.advance(3500);
  assert.equal(slow.transport.ended?.code, CloseCode.SLOW_CONSUMER);
  assert.match(slow.transport.ended!.reason, /^The peer has taken nothing for 8000 ms: \d+ bytes/);
  slow.connect(node);
  await node.turn();
  assert.equal(slow.connected?.resumed, true);
  assert.equal(slow.log.get("chat:a")!.length, 20);
  await node.close();
});

Deno.test("a lane that gets on, however slowly, outlives the write timeout", async () => {
  const node = await slowNode({ ticks: { overflow: "gap" } }, { writeTimeoutMs: 8000 });
  const slow = await subscribed(node, ["ticks:a"]);
  slow.transport.stalled = true;
  for (let round = 0; round < 10; round++) {
    for (let at = 0; at < 30; at++) await node.publish("ticks:a", LONG);
    await node.turn();
    await node.advance(5000);
    slow.transport.stalled = false;
    slow.transport.stalled = true;
  }
  assert.equal(slow.closes.length, 0);
  await node.close();
});

Deno.test("values that wait for a lane that takes nothing meet the write timeout too", async () => {
  const node = await slowNode({}, { writeTimeoutMs: 8000 });
  const slow = await subscribed(node, ["cursors:a"]);
  slow.transport.stalled = true;
  for (let at = 0; at < 100; at++) {
    await node.publish("cursors:a", LONG, `k${at % 50}`);
    await node.turn();
  }
  assert.equal(slow.closes.length, 0);
  await node.advance(12_000);
  assert.equal(slow.transport.ended?.code, CloseCode.SLOW_CONSUMER);
  await node.close();
});

Deno.test("what the transport holds counts as waiting", async () => {
  const node = await slowNode({}, { maxQueueBytes: 4000 });
  const slow = await subscribed(node, ["chat:a"]);
  slow.transport.stalled = true;
  let most = 0;
  for (let at = 0; at < 100 && slow.transport.ended === undefined; at++) {
    await node.publish("chat:a", LONG);
    most = Math.max(most, node.sessions.get(slow.connected!.session)!.queuedBytes);
    await node.turn();
  }
  assert.equal(slow.transport.ended?.code, CloseCode.SLOW_CONSUMER);
  assert(most > 3500 && most <= 4000, `${most}`);
  await node.close();
});

Deno.test("the app is told who is slow, in which channel, and what became of it", async () => {
  const seen: SlowSession[] = [];
  const node = await new TestNode({
    session: LIMITS,
    namespaces: { ticks: { overflow: "gap" } },
    onSlow: (slow) => {
      seen.push(slow);
      if (slow.outcome === "behind") throw new Error("an app's mistake");
    },
  }).start();
  const slow = await subscribed(node, ["ticks:a", "cursors:a"]);
  const { session } = slow.connected!;
  slow.transport.stalled = true;
  for (let at = 0; at < 100; at++) {
    await node.publish("ticks:a", LONG);
    await node.publish("cursors:a", LONG, "k");
    await node.turn();
  }
  const { dropped, conflated } = node.sessions.get(session)!;
  const outcomes = seen.map(({ outcome, channel }) => `${outcome} ${channel}`);
  assert.deepEqual([...new Set(outcomes)], ["gap ticks:a"]);
  assert(dropped > 50 && conflated > 50, `${dropped} ${conflated}`);
  assert.equal(node.hub.channel("ticks:a")!.dropped, dropped);
  assert.equal(node.hub.channel("cursors:a")!.conflated, conflated);
  await node.advance(1500);
  assert.equal(seen.at(-1)!.outcome, "behind");
  assert.equal(seen.at(-1)!.channel, "ticks:a");
  assert.equal(seen.at(-1)!.session.id, session);
  assert(seen.at(-1)!.queuedBytes > 1000);
  assert.equal(node.errors.length, 1);
  await node.advance(40_000);
  assert.equal(seen.at(-1)!.outcome, "timeout");
  assert.equal(node.sessions.closedAsSlow, 1);
  await node.close();
});

for (const datagrams of [0, 1200]) {
  const name = datagrams > 0 ? "a transport with datagrams" : "a transport without datagrams";
  Deno.test(`commands over the rate are refused, and a flood is closed: ${name}`, async () => {
    const node = await new TestNode({
      session: { maxCommandsPerSecond: 10, commandBurst: 20 },
    }).start();
    const client = await subscribed(node, ["chat:a"], { maxDatagramSize: datagrams });
    for (let at = 0; at < 30; at++) client.publish("chat:a", "p");
    await node.turn();
    const errors = client.take().flatMap((m) => m.type === "error" ? [m.code] : []);
    // One token of the 20 went to the subscription.
    assert.deepEqual(errors, Array(11).fill(429));
    assert.equal(node.sessions.refusedCommands, 11);
    await node.advance(1000);
    for (let at = 0; at < 10; at++) client.publish("chat:a", "p");
    await node.turn();
    assert.deepEqual(client.take().filter((m) => m.type === "error"), []);
    const data = { format: "json", bytes: new Uint8Array([49]) } as const;
    for (let at = 0; at < 300; at++) {
      client.send({ type: "publish", id: 0, channel: "chat:a", data });
    }
    await node.turn();
    assert.equal(client.transport.ended?.code, CloseCode.FLOODING);
    await node.close();
  });
}
