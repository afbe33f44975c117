import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { ErrorCode } from "../../src/protocol/error_code.ts";
import type { ServerMessage } from "../../src/protocol/message.ts";
import { type Access, ANONYMOUS, IdentityError } from "../../src/session/rights/access.ts";
import { OPEN, type Permissions } from "../../src/session/rights/permission.ts";
import { FakeClock } from "../fake_clock.ts";
import { type NodeOptions, TestNode } from "./node.ts";
import { TestClient } from "./test_client.ts";

/** Tokens are `user`, `user role`, or `user role ms`: until when, by the clock. */
class TestAccess implements Access {
  /** What reading a token waits for. */
  gate: Promise<void> = Promise.resolve();

  identify(token: string | undefined) {
    return token === undefined ? ANONYMOUS : this.#identify(token);
  }

  async openChannel(token: string, channel: string, user: string | undefined): Promise<number> {
    await this.gate;
    const [owner, of, ms = Infinity] = token.split(" ");
    if (of === channel && owner === user) return Number(ms);
    throw new IdentityError(CloseCode.UNAUTHORIZED, "The token does not hold: it is for another");
  }

  async #identify(token: string) {
    await this.gate;
    if (token === "wrong") throw new IdentityError(CloseCode.UNAUTHORIZED, "It does not hold");
    const [user, role, ms = Infinity] = token.split(" ");
    return {
      subject: user,
      user,
      claims: role === undefined ? {} : { role },
      expiresMs: Number(ms),
    };
  }
}

interface Scene {
  readonly node: TestNode;
  readonly access: TestAccess;
  readonly clock: FakeClock;
  connect(token?: string): Promise<TestClient>;
}

function test(name: string, options: NodeOptions, body: (scene: Scene) => Promise<void>): void {
  Deno.test(name, async () => {
    const access = new TestAccess();
    const clock = new FakeClock();
    const node = await new TestNode({ access, clock, ...options }).start();
    const connect = async (token?: string) => {
      const client = new TestClient();
      client.token = token;
      client.connect(node);
      await node.turn();
      return client;
    };
    await body({ node, access, clock, connect });
    await node.turn();
    assert.deepEqual(node.errors, []);
    await node.close();
    await node.turn();
    assert.equal(clock.pendingTimers, 0, "timers are left");
    assert.equal(node.sessions.count, 0);
  });
}

/** The code of the last error, or the type of the last answer. */
function outcome(messages: ServerMessage[]): unknown {
  const last = messages.at(-1);
  return last?.type === "error" ? last.code : last?.type;
}

function rule(permissions: Partial<Permissions>) {
  const closed = { subscribe: false, publish: false, presence: false, history: false };
  return { presence: true, permissions: { ...closed, ...permissions } };
}

test("whose token does not hold is closed before there is a session", {}, async (scene) => {
  const { node, connect } = scene;
  const client = await connect("wrong");
  assert.deepEqual(client.closes, [{ code: CloseCode.UNAUTHORIZED, reason: "It does not hold" }]);
  assert.equal(node.sessions.count, 0);
  const ann = await connect("ann trader");
  assert.equal(node.sessions.get(ann.connected!.session)?.user, "ann");
  assert.deepEqual(node.sessions.get(ann.connected!.session)?.claims, { role: "trader" });
});

test("what comes while a token is read is done afterwards, in order", {}, async (scene) => {
  const { node, access } = scene;
  const { promise, resolve } = Promise.withResolvers<void>();
  access.gate = promise;
  const client = new TestClient();
  client.token = "ann";
  client.connect(node);
  client.subscribe("chat:a");
  client.publish("chat:a", "1");
  client.publish("chat:a", "2");
  await node.turn();
  assert.deepEqual(client.take(), []);
  assert.equal(node.sessions.count, 0);
  resolve();
  await node.turn();
  const [first, ...rest] = client.take();
  assert.equal(first?.type, "connected");
  const answers = rest.map((m) => m.type === "published" ? m.position.offset : m.type);
  assert.deepEqual(answers.toSorted(), [1, 2, "join", "subscribed"]);
  assert.ok(answers.indexOf(1) < answers.indexOf(2));
});

test(
  "who does not wait for connected may send as many commands as may be pending",
  { session: { maxPendingCommands: 3 } },
  async ({ node, access }) => {
    access.gate = new Promise(() => {});
    const client = new TestClient();
    client.token = "ann";
    client.connect(node);
    await node.turn();
    for (let at = 0; at < 3; at++) client.subscribe(`chat:${at}`);
    assert.equal(client.closes.length, 0);
    client.subscribe("chat:3");
    assert.equal(client.closes[0]?.code, CloseCode.FLOODING);
    const large = new TestClient();
    large.token = "ann";
    large.connect(node);
    large.publish("chat:a", "x".repeat(40_000));
    assert.equal(large.closes.length, 0);
    large.publish("chat:a", "x".repeat(40_000));
    assert.equal(large.closes[0]?.code, CloseCode.FLOODING);
  },
);

test(
  "a token that cannot be read in time ends the transport, which may come back",
  {},
  async (scene) => {
    const { node, access } = scene;
    access.gate = new Promise(() => {});
    const client = new TestClient();
    client.token = "ann";
    client.connect(node);
    await node.advance(10_250);
    assert.deepEqual(client.closes, [{
      code: CloseCode.CONNECT_TIMEOUT,
      reason: "Nobody has let the client in within 10000 ms",
    }]);
  },
);

test("a transport that ends while its token is read becomes no session", {}, async (scene) => {
  const { node, access } = scene;
  const { promise, resolve } = Promise.withResolvers<void>();
  access.gate = promise;
  const client = new TestClient();
  client.token = "ann";
  client.connect(node);
  client.transport.cut();
  resolve();
  await node.turn();
  assert.equal(node.sessions.count, 0);
});

test(
  "a session belongs to its user: another's token and its ticket do not get it",
  {},
  async (scene) => {
    const { node, connect } = scene;
    const ann = await connect("ann");
    ann.transport.cut();
    for (const token of ["bob", undefined]) {
      const thief = new TestClient();
      thief.connected = ann.connected;
      thief.token = token;
      thief.connect(node);
      await node.turn();
      assert.deepEqual(thief.closes, [{
        code: CloseCode.UNAUTHORIZED,
        reason: "The session is of another user",
      }]);
    }
    ann.token = "ann trader";
    ann.connect(node);
    await node.turn();
    assert.equal(ann.connected!.resumed, true);
    assert.deepEqual(node.sessions.get(ann.connected!.session)?.claims, { role: "trader" });
  },
);

test(
  "a token that expires takes the transport with it, and a new one gets the session back",
  {},
  async (scene) => {
    const { node, clock, connect } = scene;
    const client = await connect(`ann x ${clock.now() + 60_000}`);
    assert.equal(client.connected!.expiresInMs, 60_000);
    client.subscribe("chat:a");
    await node.advance(59_000);
    assert.deepEqual(client.closes, []);
    await node.advance(1250);
    assert.deepEqual(client.closes, [{
      code: CloseCode.TOKEN_EXPIRED,
      reason: "The token has expired",
    }]);
    await node.publish("chat:a", "meanwhile");
    client.token = "ann";
    client.connect(node);
    await node.turn();
    assert.equal(client.connected!.resumed, true);
    assert.equal(client.connected!.expiresInMs, undefined);
    assert.deepEqual(client.log.get("chat:a"), ["meanwhile"]);
    await node.advance(20_000);
    assert.equal(client.closes.length, 1);
  },
);

test("a refresh puts off the end, for the same user alone", {}, async (scene) => {
  const { node, clock, connect } = scene;
  const client = await connect(`ann x ${clock.now() + 60_000}`);
  client.take();
  const refresh = async (token: string) => {
    client.send({ type: "refresh", id: client.nextId(), token });
    await node.turn();
    return client.take().at(-1);
  };
  assert.equal((await refresh("bob") as { code: number }).code, ErrorCode.FORBIDDEN);
  assert.equal((await refresh("wrong") as { code: number }).code, ErrorCode.UNAUTHORIZED);
  await node.advance(20_000);
  const answer = await refresh(`ann x ${clock.now() + 60_000}`);
  assert.deepEqual({ ...answer, id: 0 }, { type: "refreshed", id: 0, expiresInMs: 60_000 });
  await node.advance(59_000);
  assert.equal(client.closes.length, 0);
  await node.advance(1250);
  assert.equal(client.closes[0]?.code, CloseCode.TOKEN_EXPIRED);
});

test("who shows tokens without end has them read no faster than 5 a second", {
  session: { maxSubscriptions: 5 },
}, async ({ node, connect }) => {
  const client = await connect("ann");
  const read = async () => {
    client.take();
    for (let at = 0; at < 20; at++) {
      client.send({ type: "refresh", id: client.nextId(), token: "wrong" });
    }
    await node.turn();
    const codes = client.take().map((m) => m.type === "error" && m.code);
    return codes.filter((code) => code === ErrorCode.UNAUTHORIZED).length;
  };
  assert.equal(await read(), 10);
  await node.advance(1000);
  assert.equal(await read(), 5);
  assert.deepEqual(client.closes, []);
});

test("a refresh that takes a right away ends what it was for", {
  namespaces: { desk: rule({ subscribe: { claim: { role: "trader" } } }) },
}, async ({ node, connect }) => {
  const client = await connect("ann trader");
  client.subscribe("desk:a");
  client.subscribe("chat:a");
  await node.turn();
  client.take();
  client.send({ type: "refresh", id: client.nextId(), token: "ann guest" });
  await node.turn();
  const [ended] = client.take().filter(({ type }) => type === "unsubscribed");
  assert.equal(ended?.type === "unsubscribed" && ended.code, ErrorCode.FORBIDDEN);
  assert.equal(node.hub.channel("desk:a"), undefined);
  assert.equal(node.hub.channel("chat:a")?.subscribers, 1);
});

for (
  const [what, permissions, token, allowed] of [
    ["nothing is said", {}, "ann", []],
    ["all may subscribe", { subscribe: true }, undefined, ["subscribe"]],
    ["all may publish", { publish: true }, undefined, ["publish"]],
    [
      "users may read",
      { presence: { authenticated: true }, history: { authenticated: true } },
      "ann",
      [
        "presence",
        "history",
      ],
    ],
    [
      "users may read",
      { presence: { authenticated: true }, history: { authenticated: true } },
      undefined,
      [],
    ],
    ["traders may publish", { publish: { claim: { role: "trader" } } }, "ann trader", ["publish"]],
    ["traders may publish", { publish: { claim: { role: "trader" } } }, "ann guest", []],
    ["the app decides", { history: async ({ session }) => await session.user === "ann" }, "ann", [
      "history",
    ]],
    [
      "the app decides",
      { history: async ({ session }) => await session.user === "ann" },
      "bob",
      [],
    ],
    ["each has a channel", { subscribe: { pattern: "club:{user}" } }, "a", ["subscribe"]],
    ["each has a channel", { subscribe: { pattern: "club:{user}" } }, "b", []],
  ] as [string, Partial<Permissions>, string | undefined, string[]][]
) {
  test(`where ${what}, ${token ?? "nobody"} may ${allowed.join(" and ") || "do nothing"}`, {
    namespaces: { club: rule(permissions) },
  }, async ({ node, connect }) => {
    const client = await connect(token);
    const done: string[] = [];
    for (const type of ["subscribe", "publish", "presence", "history"] as const) {
      client.take();
      const channel = "club:a";
      if (type === "subscribe") client.subscribe(channel);
      else if (type === "publish") client.publish(channel, "x");
      else if (type === "presence") client.send({ type, id: client.nextId(), channel });
      else client.send({ type, id: client.nextId(), channel, limit: 1 });
      await node.turn();
      const code = outcome(client.take());
      if (code !== ErrorCode.FORBIDDEN) done.push(type);
    }
    assert.deepEqual(done, allowed);
    assert.equal(node.hub.channels, allowed.includes("subscribe") ? 1 : 0);
  });
}

test("who may not see presence hears of no joins and leaves", {
  namespaces: { club: { ...rule({ subscribe: true, presence: { authenticated: true } }) } },
}, async ({ node, connect }) => {
  const ann = await connect("ann");
  const nobody = await connect();
  for (const client of [ann, nobody]) client.subscribe("club:a");
  await node.turn();
  for (const client of [ann, nobody]) client.take();
  const late = await connect();
  late.subscribe("club:a");
  await node.turn();
  assert.deepEqual(ann.take().map(({ type }) => type), ["join"]);
  assert.deepEqual(nobody.take(), []);
});

test("a channel's token opens it, until the token expires", {
  namespaces: { room: rule({ subscribe: { token: true }, publish: { token: true } }) },
}, async ({ node, clock, connect }) => {
  const client = await connect("ann");
  const subscribe = async (token?: string) => {
    client.take();
    const id = client.nextId();
    client.send({ type: "subscribe", id, channel: "room:1", ...(token && { token }) });
    await node.turn();
    return outcome(client.take());
  };
  assert.equal(await subscribe(), ErrorCode.FORBIDDEN);
  assert.equal(await subscribe("ann room:2"), ErrorCode.UNAUTHORIZED);
  assert.equal(await subscribe("bob room:1"), ErrorCode.UNAUTHORIZED);
  client.publish("room:1", "before");
  await node.turn();
  assert.equal(outcome(client.take()), ErrorCode.FORBIDDEN);
  assert.equal(await subscribe(`ann room:1 ${clock.now() + 30_000}`), "subscribed");
  client.publish("room:1", "1");
  client.publish("room:1", "2");
  await node.turn();
  assert.deepEqual(client.log.get("room:1"), ["1", "2"]);
  client.take();
  await node.advance(30_250);
  assert.deepEqual(client.take().filter(({ type }) => type !== "ping"), [{
    type: "unsubscribed",
    id: 0,
    channel: "room:1",
    code: ErrorCode.UNAUTHORIZED,
    reason: 'The token for the channel has expired: "room:1"',
  }]);
  assert.equal(node.hub.channels, 0);
  client.publish("room:1", "3");
  await node.turn();
  assert.equal(outcome(client.take()), ErrorCode.FORBIDDEN);
});

test("a channel's token that expires while its client is away is told of when it is back", {
  namespaces: { room: rule({ subscribe: { token: true } }) },
}, async ({ node, clock, connect }) => {
  const client = await connect("ann");
  const token = `ann room:1 ${clock.now() + 30_000}`;
  client.send({ type: "subscribe", id: client.nextId(), channel: "room:1", token });
  await node.turn();
  client.transport.cut();
  await node.advance(30_250);
  client.take();
  client.connect(node);
  await node.turn();
  const [connected, ended] = client.take();
  assert.equal(connected?.type === "connected" && connected.resumed, true);
  assert.equal(ended?.type === "unsubscribed" && ended.code, ErrorCode.UNAUTHORIZED);
});

test("a user's sessions are ended together", {}, async ({ node, connect }) => {
  const [phone, laptop, other] = [await connect("ann"), await connect("ann"), await connect("bob")];
  laptop.transport.cut();
  node.sessions.disconnectUser("ann", 4500, "Your account was closed");
  await node.turn();
  assert.deepEqual(phone.closes, [{ code: 4500, reason: "Your account was closed" }]);
  assert.deepEqual(other.closes, []);
  laptop.connect(node);
  await node.turn();
  assert.equal(laptop.connected!.resumed, false);
});

test("what is open to all costs a publication no promise more", {
  namespaces: { open: { permissions: OPEN } },
}, async ({ node, connect }) => {
  const client = await connect();
  client.subscribe("open:a");
  await node.turn();
  // Both are taken in the turn in which they come: the second finds the channel known.
  client.publish("open:a", "1");
  client.publish("open:a", "2");
  await node.turn();
  assert.deepEqual(client.log.get("open:a"), ["1", "2"]);
});
