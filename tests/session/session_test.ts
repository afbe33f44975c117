import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { CommandError } from "../../src/protocol/error_code.ts";
import type { ServerMessage } from "../../src/protocol/message.ts";
import { type NodeOptions, TestNode, text, textOf } from "./node.ts";
import { TestClient } from "./test_client.ts";
import { OPEN } from "../../src/session/rights/permission.ts";

/** Runs a test on a node of its own, and proves that the node leaves no timer behind. */
function test(name: string, options: NodeOptions, run: (node: TestNode) => Promise<void>): void {
  Deno.test(name, async () => {
    const node = await new TestNode(options).start();
    await run(node);
    await node.turn();
    assert.deepEqual(node.errors, []);
    await node.close();
    await node.turn();
    assert.equal(node.clock.pendingTimers, 0, "timers are left");
    assert.equal(node.sessions.count, 0);
    assert.equal(node.hub.channels, 0);
  });
}

async function connected(node: TestNode, options = {}): Promise<TestClient> {
  const client = new TestClient();
  client.connect(node, options);
  await node.turn();
  assert.equal(client.take()[0]?.type, "connected");
  return client;
}

function typesOf(messages: ServerMessage[]): string[] {
  return messages.map(({ type }) => type);
}

test("a session tells its client what it needs to know", {}, async (node) => {
  const client = new TestClient();
  client.connect(node);
  await node.turn();
  const [message] = client.take();
  assert.deepEqual({ ...message, session: "", ticket: "" }, {
    type: "connected",
    id: 1,
    session: "",
    ticket: "",
    resumed: false,
    resumeWindowMs: 60_000,
    pingIntervalMs: 20_000,
    pingMisses: 3,
    reconnectSpreadMs: 5000,
    maxMessageBytes: 65_536,
  });
  assert.match(client.connected!.session, /^[0-9a-f]{32}$/);
  assert.match(client.connected!.ticket, /^[0-9a-f]{32}$/);
});

test("a transport must begin with connect", {}, async (node) => {
  const client = new TestClient();
  client.connect(node);
  client.subscribe("chat:a");
  client.send({ type: "connect", id: 9 });
  await node.turn();
  assert.deepEqual(client.closes, [{
    code: CloseCode.PROTOCOL_ERROR,
    reason: "A transport connects once: connect",
  }]);
  assert.equal(node.sessions.count, 0, "a peer that breaks the protocol does not come back");
});

test("a message before connect ends the transport", {}, async (node) => {
  const client = await connected(node);
  const other = new TestClient();
  other.open(node);
  other.subscribe("chat:a");
  assert.deepEqual(other.closes, [{
    code: CloseCode.PROTOCOL_ERROR,
    reason: "The first message must be connect: subscribe",
  }]);
  assert.equal(client.closes.length, 0);
});

test("a transport that never connects is closed in time", {}, async (node) => {
  const client = new TestClient();
  client.open(node);
  await node.advance(9999);
  assert.deepEqual(client.closes, []);
  await node.advance(252);
  assert.deepEqual(client.closes, [{
    code: CloseCode.CONNECT_TIMEOUT,
    reason: "No connect came within 10000 ms",
  }]);
});

test(
  "a publication reaches every subscriber, the publisher too, in one write",
  {},
  async (node) => {
    const alice = await connected(node);
    const bob = await connected(node);
    alice.subscribe("chat:a");
    bob.subscribe("chat:a");
    await node.turn();
    alice.take();
    bob.take();
    const before = bob.transport.control.writes;
    const ids = ["1", "2", "3"].map((value) => alice.publish("chat:a", value));
    await node.turn();
    assert.deepEqual(alice.log.get("chat:a"), ["1", "2", "3"]);
    assert.deepEqual(bob.log.get("chat:a"), ["1", "2", "3"]);
    assert.equal(bob.transport.control.writes, before + 1);
    const answers = alice.take().filter(({ type }) => type === "published");
    assert.deepEqual(answers.map((answer) => "id" in answer && answer.id), ids);
    const [publication] = bob.take();
    assert.equal(
      publication?.type === "publication" && publication.publisher,
      alice.connected!.session,
    );
  },
);

test("bad channels, keys and methods are errors that say what is expected", {
  namespaces: { news: { permissions: { ...OPEN, publish: false } } },
}, async (node) => {
  const client = await connected(node);
  const errors = async (send: () => void) => {
    send();
    await node.turn();
    return client.take().map((m) => m.type === "error" ? [m.code, m.message] : m.type);
  };
  assert.deepEqual(await errors(() => client.subscribe("game:a")), [
    [404, 'There is no namespace "game"; configured are: chat, cursors, news'],
  ]);
  assert.deepEqual(await errors(() => client.subscribe(":a")), [
    [400, 'A channel name must begin with its namespace, as in "chat:lobby": ":a"'],
  ]);
  assert.deepEqual(await errors(() => client.publish("chat:a", "x", "key")), [
    [400, 'A publication in an ordered channel takes no key: "key"'],
  ]);
  assert.deepEqual(await errors(() => client.publish("cursors:a", "x")), [
    [400, "A publication in a latest channel takes a key of at most 255 characters: none"],
  ]);
  assert.deepEqual(await errors(() => client.publish("news:a", "x")), [
    [403, 'The client may not publish to this channel: "news:a"'],
  ]);
  assert.deepEqual(await errors(() => client.unsubscribe("chat:a")), [
    [404, 'There is no subscription: "chat:a"'],
  ]);
  assert.deepEqual(
    await errors(() =>
      client.send({ type: "rpc", id: client.nextId(), method: "toString", data: text("") })
    ),
    [[404, 'There is no method: "toString"']],
  );
  assert.deepEqual(
    await errors(() =>
      client.send({ type: "presence", id: client.nextId(), channel: "cursors:a" })
    ),
    [[404, 'The channel has no presence: "cursors:a"']],
  );
});

test("a second subscription to a channel is refused, and so is one too many", {
  session: { maxSubscriptions: 2 },
}, async (node) => {
  const client = await connected(node);
  client.subscribe("chat:a");
  client.subscribe("chat:a");
  client.subscribe("chat:b");
  client.subscribe("chat:c");
  await node.turn();
  const answers = client.take().filter(({ type }) => type !== "join");
  assert.deepEqual(answers.map((m) => m.type === "error" ? m.message : m.type).toSorted(), [
    "A session has at most 2 subscriptions (session.maxSubscriptions): 3",
    'The session is subscribed already: "chat:a"',
    "subscribed",
    "subscribed",
  ]);
});

test(
  "a subscription that is ended before it begins is answered and leaves nothing",
  {},
  async (node) => {
    const client = await connected(node);
    const subscribe = client.subscribe("chat:a");
    const unsubscribe = client.unsubscribe("chat:a");
    assert.equal(node.hub.channels, 0);
    await node.turn();
    assert.deepEqual(client.take().map((m) => [m.type, "id" in m && m.id]).toSorted(), [
      ["error", subscribe],
      ["unsubscribed", unsubscribe],
    ]);
    assert.deepEqual(await node.hub.members("chat:a"), []);
  },
);

test("nothing follows unsubscribed, and a channel that is left is forgotten", {}, async (node) => {
  const client = await connected(node);
  client.subscribe("chat:a");
  await node.turn();
  client.take();
  client.publish("chat:a", "not wanted");
  client.unsubscribe("chat:a");
  await node.turn();
  await node.publish("chat:a", "too late");
  await node.turn();
  assert.deepEqual(typesOf(client.take()), ["unsubscribed", "published"]);
  assert.equal(node.hub.channels, 0);
});

test("members come and go with their subscriptions", {}, async (node) => {
  const alice = await connected(node);
  alice.subscribe("chat:a");
  await node.turn();
  alice.take();
  const bob = await connected(node);
  bob.subscribe("chat:a");
  await node.turn();
  bob.send({ type: "presence", id: bob.nextId(), channel: "chat:a" });
  bob.unsubscribe("chat:a");
  await node.turn();
  const session = bob.connected!.session;
  assert.deepEqual(alice.take(), [
    { type: "join", channel: "chat:a", member: { session } },
    { type: "leave", channel: "chat:a", member: { session } },
  ]);
  const members = bob.take().find((m) => m.type === "members");
  assert.deepEqual(members?.type === "members" && members.members, [
    { session: alice.connected!.session },
    { session },
  ]);
});

test(
  "who is present is told by the subscription's lane, which joins cannot overtake",
  {},
  async (node) => {
    const alice = await connected(node, { lanes: 1 });
    alice.subscribe("chat:a");
    await node.turn();
    alice.take();
    alice.send({ type: "presence", id: alice.nextId(), channel: "chat:a" });
    await node.turn();
    const [lane] = alice.lanes;
    assert.deepEqual(typesOf(alice.take()), ["members"]);
    assert.equal(lane, alice.transport.opened[0]);
    // Who is not subscribed has no such lane.
    const bob = await connected(node, { lanes: 1 });
    bob.send({ type: "presence", id: bob.nextId(), channel: "chat:a" });
    await node.turn();
    assert.equal(bob.lanes[0], bob.transport.control);
  },
);

test(
  "clients are told a spread that suits how many they are",
  { reconnectSpreadMs: 1 },
  async (node) => {
    const spreads: (number | undefined)[] = [];
    for (let count = 0; count < 4; count++) {
      spreads.push((await connected(node)).connected?.reconnectSpreadMs);
    }
    // 1.25 × sessions ÷ 500 a second, in whole milliseconds.
    assert.deepEqual(spreads, [3, 5, 8, 10]);
  },
);

test("clients that may come at once are told so, however many they are", {
  reconnectSpreadMs: 0,
}, async (node) => {
  await connected(node);
  assert.equal((await connected(node)).connected?.reconnectSpreadMs, 0);
});

test("presence outlasts a lost transport and ends with the resume window", {}, async (node) => {
  const alice = await connected(node);
  alice.subscribe("chat:a");
  const bob = await connected(node);
  bob.subscribe("chat:a");
  await node.turn();
  alice.take();
  bob.transport.cut();
  for (const id of [1, 2]) {
    await node.advance(29_500);
    assert.deepEqual(typesOf(alice.take()), ["ping"]);
    alice.send({ type: "pong", id });
  }
  assert.equal(node.sessions.detachedCount, 1);
  await node.advance(1251);
  assert.equal(node.sessions.count, 1);
  assert.deepEqual(typesOf(alice.take()), ["leave"]);
});

test("a client that leaves is gone at once", {}, async (node) => {
  const client = await connected(node);
  client.subscribe("chat:a");
  await node.turn();
  client.send({ type: "leave" });
  assert.equal(node.sessions.count, 0);
  assert.deepEqual(client.closes, [{ code: CloseCode.LEFT, reason: "The client left" }]);
  assert.deepEqual(await node.hub.members("chat:a"), []);
});

test("rpc answers, passes its own errors on and hides the others", {
  rpc: {
    upper: (data, session) => text(textOf(data).toUpperCase() + session.address),
    refuse: () => Promise.reject(new CommandError(4001, "Not today")),
    fail: () => {
      throw new Error("secret");
    },
  },
}, async (node) => {
  const client = await connected(node, { encoding: "json" });
  for (const method of ["upper", "refuse", "fail"]) {
    client.send({ type: "rpc", id: client.nextId(), method, data: text("a") });
  }
  await node.turn();
  const answers = client.take().map((m) =>
    m.type === "result" ? [m.id, textOf(m.data)] : m.type === "error" && [m.id, m.code, m.message]
  );
  assert.deepEqual(answers.toSorted(), [
    [2, "A192.0.2.1"],
    [3, 4001, "Not today"],
    [4, 500, "Internal error"],
  ]);
  assert.equal((node.errors.pop() as Error).message, "secret");
});

test("commands over the limit are refused while others wait", {
  session: { maxPendingCommands: 2 },
  rpc: { never: () => new Promise(() => {}) },
}, async (node) => {
  const client = await connected(node);
  for (let at = 0; at < 3; at++) {
    client.send({ type: "rpc", id: client.nextId(), method: "never", data: text("") });
  }
  const refused = client.publish("chat:a", "x");
  await node.turn();
  assert.deepEqual(client.take().map((m) => m.type === "error" && [m.id, m.code]), [
    [4, 429],
    [refused, 429],
  ]);
  client.send({ type: "publish", id: refused, channel: "chat:a", data: text("x") });
  await node.turn();
  assert.equal(client.take()[0]?.type, "error", "asked again, it is answered again");
});

test("history gives the newest, or what came after a position", {}, async (node) => {
  const client = await connected(node);
  for (let at = 1; at <= 5; at++) await node.publish("chat:a", `${at}`);
  const ask = async (query: { limit: number; since?: { epoch: string; offset: number } }) => {
    client.send({ type: "history", id: client.nextId(), channel: "chat:a", ...query });
    await node.turn();
    const [page] = client.take();
    assert(page?.type === "history");
    return { ...page, values: page.publications.map(({ data }) => textOf(data)) };
  };
  const newest = await ask({ limit: 2 });
  assert.deepEqual(newest.values, ["4", "5"]);
  const { epoch } = newest.position;
  const after = await ask({ limit: 2, since: { epoch, offset: 1 } });
  assert.deepEqual([after.values, after.complete, after.position.offset], [["2", "3"], true, 5]);
  const other = await ask({ limit: 9, since: { epoch: "other", offset: 4 } });
  assert.deepEqual([other.values.length, other.complete], [5, false]);
});

test("an answer of history is cut to what a queue takes", {
  session: { maxQueueBytes: 100_000 },
}, async (node) => {
  const client = await connected(node);
  for (let at = 1; at <= 9; at++) await node.publish("chat:a", `${at}`.repeat(5000));
  client.send({ type: "history", id: client.nextId(), channel: "chat:a", limit: 9 });
  await node.turn();
  const [page] = client.take();
  assert(page?.type === "history");
  assert.deepEqual(page.publications.map(({ offset }) => offset), [7, 8, 9]);
});

test("an answer that would fill the queue is an error, not the end", {
  session: { maxQueueBytes: 10_000, highWaterBytes: 1000 },
  rpc: { large: () => text("x".repeat(6000)) },
}, async (node) => {
  const client = await connected(node);
  client.send({ type: "rpc", id: client.nextId(), method: "large", data: text("") });
  await node.turn();
  const [error] = client.take();
  assert.equal(error?.type === "error" && error.code, 413);
});

test(
  "a dead peer is found within the heartbeat's patience, a talking one is kept",
  {},
  async (node) => {
    const dead = await connected(node);
    const alive = await connected(node);
    for (let at = 0; at < 12; at++) {
      await node.advance(10_000);
      alive.send({ type: "ping", id: at });
    }
    assert.deepEqual(dead.closes.map(({ code }) => code), [CloseCode.PING_TIMEOUT]);
    assert.deepEqual(alive.closes, []);
    await node.turn();
    assert.deepEqual(new Set(typesOf(alive.take())), new Set(["pong"]));
  },
);

/** A step of the node's timer wheel. */
const STEP_MS = 250;

test("a pong measures the round trip", {}, async (node) => {
  const client = await connected(node);
  const info = node.sessions.get(client.connected!.session)!;
  assert.equal(info.rttMs, undefined);
  let ping: ServerMessage | undefined;
  while (ping === undefined) {
    await node.advance(STEP_MS);
    [ping] = client.take();
  }
  assert(ping.type === "ping");
  await node.advance(40);
  client.send({ type: "pong", id: ping.id });
  assert(info.rttMs! >= 40 && info.rttMs! <= 40 + STEP_MS, `${info.rttMs}`);
  assert.deepEqual([info.transport, info.address, info.origin], [
    "websocket",
    "192.0.2.1",
    "https://example.com",
  ]);
});

test("a node that is full sends clients away, to come back", {
  admission: { maxSessions: 1 },
}, async (node) => {
  const first = await connected(node);
  const second = new TestClient();
  second.connect(node);
  assert.equal(second.closes[0]?.code, CloseCode.OVERLOADED);
  assert.match(
    second.closes[0]!.reason,
    /^The node takes no more sessions; retry after [5-7]\d{3} ms$/,
  );
  first.send({ type: "leave" });
  await connected(node);
});

test("an info that is too large ends the transport", {}, async (node) => {
  const client = new TestClient();
  client.open(node);
  client.send({ type: "connect", id: 1, info: text("x".repeat(1025)) });
  await node.turn();
  assert.deepEqual(client.closes, [{
    code: CloseCode.MESSAGE_TOO_LARGE,
    reason: "The info of a session has at most 1024 bytes: 1025",
  }]);
});

test("a drain tells each client its own moment, and resolves after the last", {}, async (node) => {
  const clients = [];
  for (let at = 0; at < 8; at++) clients.push(await connected(node));
  let drained = false;
  const done = node.sessions.drain(10_000).then(() => drained = true);
  await node.turn();
  const delays = clients.map((client) => {
    const [drain] = client.take();
    assert(drain?.type === "drain");
    return drain.delayMs;
  });
  assert.equal(new Set(delays).size, 8);
  await node.advance(Math.max(...delays) - 1);
  assert.equal(drained, false);
  const late = new TestClient();
  late.connect(node);
  assert.equal(late.closes[0]?.code, CloseCode.SHUTDOWN);
  await node.advance(252);
  await done;
  assert.deepEqual(clients.map(({ closes }) => closes[0]?.code), Array(8).fill(CloseCode.SHUTDOWN));
});

test("a drain spreads its clients evenly over its time", {
  admission: { ratePerSecond: Infinity },
}, async (node) => {
  const clients = [];
  for (let at = 0; at < 400; at++) clients.push(await connected(node));
  void node.sessions.drain(8000);
  const left: number[] = [];
  for (let second = 1; second <= 8; second++) {
    await node.advance(1000);
    left.push(clients.filter(({ closes }) => closes.length > 0).length);
  }
  const each = left.map((count, at) => count - (left[at - 1] ?? 0));
  for (const count of each) assert(count > 25 && count < 75, `${each}`);
});

test("a drained node ends those who have not connected yet", {}, async (node) => {
  const client = new TestClient();
  client.open(node);
  await node.sessions.drain(10_000);
  assert.equal(client.closes[0]?.code, CloseCode.SHUTDOWN);
});
