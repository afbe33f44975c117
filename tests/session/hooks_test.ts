import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { CommandError, ErrorCode } from "../../src/protocol/error_code.ts";
import type { Hooks } from "../../src/session/hooks.ts";
import { TestNode, text, textOf } from "./node.ts";
import { TestClient } from "./test_client.ts";

interface Scene {
  readonly node: TestNode;
  connect(): Promise<TestClient>;
}

function test(name: string, hooks: Hooks, body: (scene: Scene) => Promise<void>): void {
  Deno.test(name, async () => {
    const node = await new TestNode({ hooks, session: { maxPendingCommands: 8 } }).start();
    const connect = async () => {
      const client = new TestClient();
      client.connect(node);
      await node.turn();
      return client;
    };
    await body({ node, connect });
    await node.close();
    await node.turn();
    assert.equal(node.clock.pendingTimers, 0, "timers are left");
  });
}

const boom = () => {
  throw new Error("a secret of the app");
};

test("onConnect says who a client is", {
  onConnect: ({ address, origin, transport, resumes }) => {
    assert.deepEqual([address, origin, transport], [
      "192.0.2.1",
      "https://example.com",
      "websocket",
    ]);
    return Promise.resolve({ user: "ann", info: text(resumes === undefined ? "new" : "back") });
  },
}, async ({ node, connect }) => {
  const client = await connect();
  const session = node.sessions.get(client.connected!.session)!;
  assert.equal(session.user, "ann");
  assert.equal(textOf(session.info!), "new");
  client.transport.cut();
  client.connect(node);
  await node.turn();
  assert.equal(client.connected!.resumed, true);
  assert.equal(session.user, "ann");
  // A refresh is of who the token names; the app's word stays.
  client.take();
  client.send({ type: "refresh", id: client.nextId(), token: "" });
  await node.turn();
  assert.equal(client.take()[0]?.type, "refreshed");
  assert.equal(session.user, "ann");
});

for (
  const [what, error, close] of [
    ["with an error of a command for good", new CommandError(403, "Not you"), {
      code: CloseCode.UNAUTHORIZED,
      reason: "Not you",
    }],
    ["with a close code of the app as it is", new CommandError(4001, "Come back tomorrow"), {
      code: 4001,
      reason: "Come back tomorrow",
    }],
    ["with a failure for now, of which it learns nothing", new Error("a secret of the app"), {
      code: CloseCode.INTERNAL_ERROR,
      reason: "Internal error",
    }],
  ] as const
) {
  test(
    `onConnect refuses a client ${what}`,
    { onConnect: () => Promise.reject(error) },
    async (scene) => {
      const { node, connect } = scene;
      const client = await connect();
      assert.deepEqual(client.closes, [close]);
      assert.equal(node.sessions.count, 0);
      assert.deepEqual(node.errors, error instanceof CommandError ? [] : [error]);
    },
  );
}

test("a hook that throws at once refuses as one that rejects does", {
  onConnect: ({ token }) => token === undefined ? undefined : boom(),
  onSubscribe: ({ channel }) => channel === "chat:b" ? boom() : undefined,
  onPublish: boom,
  onRpc: boom,
}, async ({ node, connect }) => {
  const client = await connect();
  client.subscribe("chat:a");
  await node.turn();
  client.take();
  client.subscribe("chat:b");
  client.publish("chat:a", "x");
  client.send({ type: "rpc", id: client.nextId(), method: "m", data: text("") });
  await node.turn();
  const answers = client.take().map((m) => m.type === "error" && [m.code, m.message]);
  assert.deepEqual(answers, Array(3).fill([ErrorCode.INTERNAL, "Internal error"]));
  assert.deepEqual(node.errors.map((error) => (error as Error).message), [
    "a secret of the app",
    "a secret of the app",
    "a secret of the app",
  ]);
  assert.ok(node.errors.every((error) => (error as Error).stack?.includes("hooks_test.ts")));
  assert.equal(node.hub.channels, 1);
});

test("onPublish changes what is published, or refuses it", {
  onPublish({ data, key, channel, session }) {
    assert.deepEqual([key, channel, typeof session.id], [undefined, "chat:a", "string"]);
    if (textOf(data) === "rude") throw new CommandError(ErrorCode.FORBIDDEN, "Be kind");
    return { data: text(textOf(data).toUpperCase()) };
  },
}, async ({ node, connect }) => {
  const client = await connect();
  client.subscribe("chat:a");
  await node.turn();
  client.take();
  for (const value of ["one", "rude", "two"]) client.publish("chat:a", value);
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["ONE", "TWO"]);
  const errors = client.take().filter((m) => m.type === "error");
  assert.deepEqual(errors.map(({ code, message }) => [code, message]), [[403, "Be kind"]]);
});

Deno.test("publications keep their order in a channel, however long the app takes over each", async () => {
  const waiting = new Map<string, () => void>();
  const node = await new TestNode({
    hooks: {
      onPublish: ({ data }) => new Promise((resolve) => waiting.set(textOf(data), resolve)),
    },
  }).start();
  const client = new TestClient();
  client.connect(node);
  client.subscribe("chat:a");
  client.subscribe("chat:b");
  await node.turn();
  for (const value of ["1", "2", "3"]) client.publish("chat:a", value);
  client.publish("chat:b", "other");
  await node.turn();
  // The app is asked about all at once.
  assert.deepEqual([...waiting.keys()], ["1", "2", "3", "other"]);
  for (const value of ["3", "other", "2"]) waiting.get(value)!();
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), []);
  assert.deepEqual(client.log.get("chat:b"), ["other"]);
  waiting.get("1")!();
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["1", "2", "3"]);
  await node.close();
});

Deno.test("a slow hook holds up its own session's commands, within their limit, and nobody else", async () => {
  const slow = new Set<string>();
  const node = await new TestNode({
    session: { maxPendingCommands: 3, hookTimeoutMs: 2000 },
    hooks: {
      onPublish: ({ session }) => slow.has(session.id) ? new Promise(() => {}) : undefined,
    },
  }).start();
  const [one, two] = [new TestClient(), new TestClient()];
  for (const client of [one, two]) {
    client.connect(node);
    client.subscribe("chat:a");
  }
  await node.turn();
  slow.add(one.connected!.session);
  for (const client of [one, two]) client.take();
  for (let at = 0; at < 4; at++) {
    one.publish("chat:a", `one ${at}`);
    two.publish("chat:a", `two ${at}`);
    await node.turn();
  }
  assert.deepEqual(two.log.get("chat:a"), ["two 0", "two 1", "two 2", "two 3"]);
  const tooMany = one.take().filter((m) => m.type === "error");
  assert.deepEqual(tooMany.map(({ code }) => code), [ErrorCode.TOO_MANY]);
  await node.advance(2250);
  const late = one.take().filter((m) => m.type === "error");
  assert.deepEqual(late.map(({ code, message }) => [code, message]), [
    [503, "The application did not answer in time: 2000 ms"],
    [503, "The application did not answer in time: 2000 ms"],
    [503, "The application did not answer in time: 2000 ms"],
  ]);
  assert.deepEqual(node.errors, []);
  await node.close();
  await node.turn();
  assert.equal(node.clock.pendingTimers, 0);
});

Deno.test("what the app answers at once does not overtake what it thinks about", async () => {
  const answered = Promise.withResolvers<void>();
  const node = await new TestNode({
    hooks: { onPublish: ({ data }) => textOf(data) === "1" ? answered.promise : undefined },
  }).start();
  const client = new TestClient();
  client.connect(node);
  client.subscribe("chat:a");
  await node.turn();
  for (const value of ["0", "1", "2", "3"]) client.publish("chat:a", value);
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["0"]);
  answered.resolve();
  await node.turn();
  client.publish("chat:a", "4");
  await node.turn();
  assert.deepEqual(client.log.get("chat:a"), ["0", "1", "2", "3", "4"]);
  await node.close();
});

test("a client that leaves a channel while the app is asked is not in it afterwards", {
  onSubscribe: async () => await Promise.resolve(),
}, async ({ node, connect }) => {
  const client = await connect();
  client.take();
  client.subscribe("chat:a");
  client.unsubscribe("chat:a");
  await node.turn();
  const types = client.take().map((m) => m.type === "error" ? m.code : m.type);
  assert.deepEqual(types, ["unsubscribed", ErrorCode.CONFLICT]);
  assert.equal(node.hub.channels, 0);
});

test("onRpc answers, or leaves it to the methods that there are", {
  onRpc: ({ method, data }) => method === "echo" ? data : undefined,
}, async ({ node, connect }) => {
  const client = await connect();
  client.take();
  client.send({ type: "rpc", id: client.nextId(), method: "echo", data: text("hello") });
  client.send({ type: "rpc", id: client.nextId(), method: "other", data: text("") });
  await node.turn();
  const answers = client.take().map((m) =>
    m.type === "result" ? textOf(m.data) : m.type === "error" && m.code
  );
  assert.deepEqual(answers, ["hello", 404]);
});

Deno.test("onDisconnect is told once of a session that has ended, and why", async () => {
  const ended: unknown[] = [];
  const node = await new TestNode({
    hooks: {
      onDisconnect: ({ user }, { code }) => {
        ended.push([user, code]);
        return Promise.reject(new Error("of the app"));
      },
    },
  }).start();
  const client = new TestClient();
  client.connect(node);
  await node.turn();
  client.transport.cut();
  await node.turn();
  assert.deepEqual(ended, []);
  await node.advance(61_000);
  assert.deepEqual(ended, [[undefined, CloseCode.TRANSPORT_LOST]]);
  await node.turn();
  assert.deepEqual(node.errors.map((error) => (error as Error).message), ["of the app"]);
  await node.close();
  assert.equal(ended.length, 1);
});
