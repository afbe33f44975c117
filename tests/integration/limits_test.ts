import assert from "node:assert/strict";
import { CloseCode, type ServerOptions, type SlipstreamServer } from "../../src/mod.ts";
import type { ServerMessage } from "../../src/protocol/message.ts";
import { SECRET, sign } from "../auth/tokens.ts";
import { Child } from "../bench/child.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { withTempFolder } from "../temp_folder.ts";
import { until } from "../until.ts";
import { type Kind, KINDS, type TestServer, withServer } from "./harness.ts";
import { roam } from "./nodes.ts";
import { openRaw, type RawPeer } from "./raw_peer.ts";

const AUTH: ServerOptions = { auth: { key: SECRET } };
const data = { format: "json", bytes: new Uint8Array([49]) } as const;
const FULL = /^All sessions of a user are at most \d \(limits\.user\.maxSessions\); retry after/;

/** Runs `body` with two nodes that share a Redis, and clients that prove who they are. */
async function withTwo(
  options: ServerOptions,
  body: (nodes: readonly [TestServer, TestServer], redis: TestRedis) => Promise<void>,
): Promise<void> {
  const redis = await TestRedis.start();
  const all = {
    ...AUTH,
    ...options,
    redis: { url: redis.url, timeoutMs: 2000, presenceTtlMs: 1500 },
  };
  try {
    await withServer(all, (one) => withServer(all, (other) => body([one, other], redis)));
  } finally {
    await redis.stop();
  }
}

async function enter(kind: Kind, server: SlipstreamServer, user: string): Promise<RawPeer> {
  const peer = await openRaw(kind, server);
  await peer.send({ type: "connect", id: 1, token: await sign({ sub: user }) });
  return peer;
}

/** What becomes of a user's new session: "connected", or the close. */
async function tryToEnter(
  kind: Kind,
  server: SlipstreamServer,
  user: string,
): Promise<string> {
  await using peer = await enter(kind, server, user);
  // Over SSE a close is no message.
  const first = await peer.next().catch(() => undefined);
  const close = first === undefined ? await peer.end() : first.type === "close" ? first : undefined;
  if (close === undefined) {
    await peer.send({ type: "leave" });
    return first!.type;
  }
  assert.match(close.reason, FULL);
  return `${close.code}`;
}

for (const kind of KINDS) {
  Deno.test(`${kind}: a user has one number of sessions on two nodes, and is told when to come again`, async () => {
    await withTwo({ limits: { user: { maxSessions: 1 } } }, async ([one, other]) => {
      const first = await enter(kind, one.server, "ann");
      assert.equal((await first.next()).type, "connected");
      assert.equal(await tryToEnter(kind, other.server, "ann"), `${CloseCode.OVERLOADED}`);
      assert.equal(await tryToEnter(kind, one.server, "ann"), `${CloseCode.OVERLOADED}`);
      assert.equal(await tryToEnter(kind, other.server, "bob"), "connected");
      assert.equal(other.server.pressure.limited["limits.user.maxSessions"], 1);
      await first.send({ type: "leave" });
      await first.end();
      await untilIn(() => tryToEnter(kind, other.server, "ann"));
      await first[Symbol.asyncDispose]();
    });
  });

  Deno.test(`${kind}: who publishes too much as one user is refused, and others of the address are not`, async () => {
    await withServer({ ...AUTH, limits: { user: { maxPublishesPerSecond: 10 } } }, async (node) => {
      await using ann = await enter(kind, node.server, "ann");
      await using bob = await enter(kind, node.server, "bob");
      const refused = await publish(ann, 40);
      assert.ok(refused.length >= 10 && refused.length <= 30, `${refused.length}`);
      assert.equal(
        refused[0],
        "429 Publishes of a user may come 10 a second (limits.user.maxPublishesPerSecond): " +
          "too many came",
      );
      assert.deepEqual(await publish(bob, 5), []);
    });
  });
}

Deno.test("a node refuses a user who has used up the rate at another", async () => {
  await withTwo({ limits: { user: { maxPublishesPerSecond: 100 } } }, async ([one, other]) => {
    await using here = await enter("websocket", one.server, "ann");
    await using there = await enter("websocket", other.server, "ann");
    let taken = 0;
    for (let round = 0; round < 30; round++) {
      await publish(here, 120);
      const refused = await publish(there, 3);
      taken += 3 - refused.length;
      if (refused.length > 0) break;
    }
    assert.ok(other.server.pressure.limited["limits.user.maxPublishesPerSecond"] > 0);
    assert.ok(taken < 100, `by itself the node would give a hundred: ${taken}`);
  });
});

for (const kind of KINDS) {
  Deno.test(`${kind}: a session goes on at another node, though its user has no place for one more`, async () => {
    await withTwo({ limits: { user: { maxSessions: 1 } } }, async ([one, other]) => {
      const token = await sign({ sub: "ann" });
      const { client, leadTo } = roam(one.server.developmentUrl!, { token, transports: [kind] });
      await client.channel("chat:a").subscribe({ onPublication() {} }).ready;
      const { session } = client;
      leadTo(other.server.developmentUrl!);
      client.use([kind]);
      await until(() => other.server.sessions.count === 1, "it has come over");
      await client.channel("chat:a").publish("x");
      assert.equal(client.session, session);
      await until(() => one.server.sessions.count === 0, "it has gone here");
      await untilIn(() => tryToEnter(kind, one.server, "ann"), `${CloseCode.OVERLOADED}`);
      client.close();
      await untilIn(() => tryToEnter(kind, one.server, "ann"));
    });
  });
}

Deno.test("what a killed node's user had is free at another after its time", async () => {
  const redis = await TestRedis.start();
  await withTempFolder(async (folder) => {
    const script = new URL("node_process.ts", import.meta.url).pathname;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const limits = { user: { maxSessions: 1 } };
    const shared = { presenceTtlMs: 1500 };
    const command = ["run", "-A", "--no-check", "--config", config, script, redis.url, folder];
    const doomed = new Child([
      Deno.execPath(),
      ...command,
      JSON.stringify({ ...AUTH, limits, redis: shared }),
    ]);
    try {
      const { url } = await doomed.ask<{ url: string }>();
      const port = Number(new URL(url).port);
      await withServer(
        { ...AUTH, limits, redis: { url: redis.url, ...shared } },
        async ({ server }) => {
          const there = { developmentPort: port, developmentUrl: url } as SlipstreamServer;
          await using first = await enter("websocket", there, "ann");
          assert.equal((await first.next()).type, "connected");
          assert.equal(await tryToEnter("websocket", server, "ann"), `${CloseCode.OVERLOADED}`);
          Deno.kill(doomed.pid!, "SIGKILL");
          await untilIn(() => tryToEnter("websocket", server, "ann"));
        },
      );
    } finally {
      await doomed.end();
    }
  });
  await redis.stop();
});

Deno.test("limits hold on each node while Redis is away, and on all when it is back without a thing", async () => {
  await withTwo({ limits: { user: { maxSessions: 1 } } }, async ([one, other], redis) => {
    await using first = await enter("websocket", one.server, "ann");
    assert.equal((await first.next()).type, "connected");
    await redis.kill();
    await until(() => !other.server.redis!.connected, "Redis is away");
    assert.equal(await tryToEnter("websocket", other.server, "ann"), "connected");
    assert.equal(await tryToEnter("websocket", one.server, "ann"), `${CloseCode.OVERLOADED}`);
    assert.ok(other.log.some((line) => line.includes("Limits hold on each node alone")));
    await redis.restart({ empty: true });
    await until(() => other.server.redis!.connected, "Redis is back");
    await untilIn(() => tryToEnter("websocket", other.server, "ann"), `${CloseCode.OVERLOADED}`);
  });
});

/** Publishes so many at once; what the refused are told. */
async function publish(peer: RawPeer, times: number): Promise<string[]> {
  const from = ids;
  ids += times;
  await peer.send(
    ...Array.from({ length: times }, (_, at) => ({
      type: "publish",
      id: from + at,
      channel: "chat:a",
      data,
    } as const)),
  );
  const answers: ServerMessage[] = [];
  while (answers.length < times) {
    const answer = await peer.next();
    if (answer.type === "published" || answer.type === "error") answers.push(answer);
  }
  return answers.flatMap((answer) =>
    answer.type === "error" ? [`${answer.code} ${answer.message}`] : []
  );
}

let ids = 10;

async function untilIn(outcome: () => Promise<string>, expected = "connected"): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (await outcome() !== expected) {
    assert.ok(performance.now() < endMs, `${expected} was expected in 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
