import assert from "node:assert/strict";
import { CloseCode, type CommandError, ErrorCode } from "../../src/client/mod.ts";
import type { ServerOptions, SlipstreamServer } from "../../src/mod.ts";
import { inMs, SECRET, sign, unsigned } from "../auth/tokens.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { EventReader } from "../transport/sse_peer.ts";
import { until } from "../until.ts";
import { KINDS, type TestServer, withServer } from "./harness.ts";
import { openRaw } from "./raw_peer.ts";

const OPTIONS: ServerOptions = {
  auth: { key: SECRET, audience: "game" },
  namespaces: {
    user: { permissions: { subscribe: { pattern: "user:#{user}" } } },
    desk: {
      presence: true,
      permissions: {
        subscribe: { authenticated: true },
        publish: { claim: { role: "trader" } },
        presence: { claim: { role: "trader" } },
        history: { claim: { role: "trader" } },
      },
    },
    room: { permissions: { subscribe: { token: true }, publish: { token: true } } },
    shut: {},
  },
};

const trader = () => sign({ sub: "42", aud: "game", role: "trader" });
const guest = () => sign({ sub: "7", aud: "game", role: "guest" });

/** The codes with which things are refused, or "ok". */
async function outcomes(asked: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(asked);
  return settled.map((each) =>
    each.status === "fulfilled" ? "ok" : (each.reason as CommandError).code
  );
}

for (const kind of KINDS) {
  Deno.test(`${kind}: everyone may do what the permissions open, and nothing else`, async () => {
    await withServer(OPTIONS, async ({ client, server, log }) => {
      const ask = (token: () => Promise<string>, channel: string) => {
        const it = client(kind, { token }).channel(channel);
        return outcomes([
          it.subscribe({ onPublication() {} }).ready,
          it.publish("x"),
          it.presence(),
          it.history(),
        ]);
      };
      assert.deepEqual(await ask(trader, "desk:a"), ["ok", "ok", "ok", "ok"]);
      assert.deepEqual(await ask(guest, "desk:a"), ["ok", 403, 403, 403]);
      assert.deepEqual(await ask(trader, "user:#42"), ["ok", 403, 403, 403]);
      assert.deepEqual(await ask(guest, "user:#42"), [403, 403, 403, 403]);
      assert.deepEqual(await ask(trader, "shut:a"), [403, 403, 403, 403]);
      assert.deepEqual(await ask(trader, "room:a"), [403, 403, 403, 403]);
      await server.publish("shut:a", "the server may");
      const members = await client(kind, { token: trader }).channel("desk:a").presence();
      assert.deepEqual(members.map(({ user }) => user).toSorted(), ["42", "7"]);
      assert.deepEqual(log, []);
    });
  });

  Deno.test(`${kind}: whose token does not hold is closed for good, and no token is logged`, async () => {
    await withServer(OPTIONS, async ({ server, log }) => {
      const claims = { sub: "42", aud: "game" };
      const other = new TextEncoder().encode(`${SECRET}, but another`);
      const good = await trader();
      for (
        const [token, code, reason] of [
          [undefined, CloseCode.UNAUTHORIZED, /^A token was expected: there is none$/],
          [unsigned(claims), CloseCode.UNAUTHORIZED, /no key for its algorithm/],
          [await sign(claims, { key: other }), CloseCode.UNAUTHORIZED, /its signature/],
          [await sign({ ...claims, aud: "x" }), CloseCode.UNAUTHORIZED, /its aud/],
          [await sign({ ...claims, exp: inMs(-9000) }), CloseCode.TOKEN_EXPIRED, /has expired/],
          [`${good}x`, CloseCode.UNAUTHORIZED, /its signature/],
          ["f".repeat(64), CloseCode.TOKEN_EXPIRED, /^The ticket does not hold/],
          ["a.".repeat(4500), CloseCode.UNAUTHORIZED, /at most 8192/],
        ] as const
      ) {
        // Deno's own WebTransport does not tell with which code a session was closed.
        await using peer = await openRaw(kind, server);
        await peer.send({ type: "connect", id: 1, ...(token !== undefined && { token }) });
        const closed = await peer.end();
        assert.equal(closed.code, code, closed.reason);
        assert.match(closed.reason, reason);
        assert.equal(server.sessions.count, 0);
        if (token !== undefined) assert.ok(!log.join().includes(token));
      }
      assert.ok(!log.join().includes(good));
    });
  });

  Deno.test(`${kind}: a channel's token opens it, and a function gets the next one`, async () => {
    await withServer(OPTIONS, async ({ client }) => {
      const channel = client(kind, { token: guest }).channel("room:1");
      const got: unknown[] = [];
      let asked = 0;
      const subscription = channel.subscribe({
        onPublication: ({ data }) => got.push(data),
        token: () => {
          // One that has expired already is followed by the next one.
          const exp = Math.floor(inMs(++asked === 1 ? -60_000 : 60_000));
          return sign({ aud: "game", channel: "room:1", sub: "7", exp });
        },
      });
      await subscription.ready;
      assert.equal(asked, 2);
      await channel.publish("hello");
      await until(() => got.length === 1, "the publication");
    });
  });

  Deno.test(`${kind}: a hook's refusal reaches the client clean, and the log with its stack`, async () => {
    const errors: unknown[] = [];
    const hooks = {
      onPublish: () => {
        throw new TypeError("the app's own trouble");
      },
    };
    await withServer({
      ...OPTIONS,
      hooks,
      log: ({ error }) => errors.push(error),
    }, async ({ client }) => {
      const channel = client(kind, { token: trader }).channel("desk:a");
      await assert.rejects(channel.publish("x"), {
        code: ErrorCode.INTERNAL,
        message: "Internal error",
      });
      assert.equal(errors.length, 1);
      assert.match((errors[0] as Error).stack!, /the app's own trouble\n.*auth_test\.ts/);
    });
  });
}

const EXACT: ServerOptions = {
  ...OPTIONS,
  auth: { ...OPTIONS.auth, clockToleranceMs: 0 },
  reconnectSpreadMs: 0,
};

Deno.test("on each transport a client shows a new token before the old one expires, and stays", async () => {
  await withServer(EXACT, async ({ server, client }) => {
    await Promise.all(KINDS.map(async (kind) => {
      let asked = 0;
      const events: unknown[] = [];
      const peer = client(kind, {
        token: () => sign({ sub: "42", aud: "game", exp: inMs(asked++ === 0 ? 1500 : 60_000) }),
      });
      peer.on("state", (state) => events.push(state));
      peer.on("error", (error) => events.push(error));
      await peer.ready;
      const session = server.session(peer.session!)!;
      const first = session.claims.exp as number;
      await until(() => session.claims.exp as number > first + 30, "the new token");
      assert.deepEqual([asked, events, session.user], [2, ["connected"], "42"]);
    }));
  });
});

Deno.test("on each transport a token that expires is followed by another, in the same session", async () => {
  await withServer(EXACT, async ({ server, client }) => {
    await Promise.all(KINDS.map(async (kind) => {
      let asked = 0;
      const states: string[] = [];
      const peer = client(kind, {
        token: () => sign({ sub: "42", aud: "game", exp: inMs(asked++ === 0 ? 500 : 60_000) }),
      });
      peer.on("state", (state) => states.push(state));
      await peer.ready;
      const { session } = peer;
      await until(() => states.length === 3, "the return");
      assert.deepEqual(states, ["connected", "reconnecting", "connected"]);
      assert.equal(peer.session, session);
      assert.equal(server.session(session!)?.user, "42");
    }));
  });
});

Deno.test("an anonymous client is let in where that is said", async () => {
  await withServer(
    { ...OPTIONS, auth: { ...OPTIONS.auth, anonymous: true } },
    async ({ client, server }) => {
      const nobody = client("websocket");
      await nobody.ready;
      assert.equal(server.session(nobody.session!)?.user, undefined);
      const { ready } = nobody.channel("desk:a").subscribe({ onPublication() {} });
      assert.deepEqual(await outcomes([ready]), [403]);
    },
  );
});

/** Asks for a ticket with a token. */
async function askTicket(server: SlipstreamServer, authorization?: string): Promise<Response> {
  return await fetch(`${server.developmentUrl}/rt/ticket`, {
    method: "POST",
    headers: authorization === undefined ? {} : { authorization },
  });
}

async function ticketOf(server: SlipstreamServer): Promise<string> {
  const response = await askTicket(server, `Bearer ${await trader()}`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const { ticket, expiresInMs } = await response.json();
  assert.equal(expiresInMs, 10_000);
  return ticket;
}

/** What a plain event stream begins with: its events up to one that says how it went. */
async function plain(test: TestServer, query: string, headers: HeadersInit = {}): Promise<string> {
  const controller = new AbortController();
  const url = `${test.server.developmentUrl}/rt/sse?channel=desk:a${query}`;
  const response = await fetch(url, { headers, signal: controller.signal });
  if (response.status !== 200) return `${response.status} ${await response.text()}`;
  const events = new EventReader(response);
  for (;;) {
    const event = await events.next();
    if (event === undefined) return "the end";
    const found = /"subscribed"|"code":\d+/.exec(event.data);
    if (found === null) continue;
    controller.abort();
    return found[0];
  }
}

Deno.test("an event stream without the SDK takes a token in a header, or a ticket in its URL, once", async () => {
  await withServer(OPTIONS, async (test) => {
    const token = await trader();
    const unauthorized = `"code":${CloseCode.UNAUTHORIZED}`;
    assert.equal(await plain(test, ""), unauthorized);
    assert.equal(await plain(test, "", { authorization: `Bearer ${token}` }), '"subscribed"');
    assert.equal(await plain(test, "", { authorization: "Bearer a.b.c" }), unauthorized);
    const ticket = await ticketOf(test.server);
    assert.equal(await plain(test, `&ticket=${ticket}`), '"subscribed"');
    assert.equal(await plain(test, `&ticket=${ticket}`), `"code":${CloseCode.TOKEN_EXPIRED}`);
    const inUrl = await plain(test, `&ticket=${token}`);
    assert.match(inUrl, /^400 A ticket of POST \/rt\/ticket was expected in the URL, not a token/);
    for (const secret of [token, ticket]) assert.ok(!test.log.join().includes(secret));
  });
});

for (const kind of KINDS) {
  Deno.test(`${kind}: a ticket stands for a token, once`, async () => {
    await withServer(OPTIONS, async ({ client, server }) => {
      const ticket = await ticketOf(server);
      const first = client(kind, { token: ticket });
      await first.ready;
      assert.equal(server.session(first.session!)?.user, "42");
      await using replayed = await openRaw(kind, server);
      await replayed.send({ type: "connect", id: 1, token: ticket });
      assert.equal((await replayed.end()).code, CloseCode.TOKEN_EXPIRED);
    });
  });
}

Deno.test("no ticket is given without a token that holds", async () => {
  await withServer(OPTIONS, async ({ server }) => {
    for (const authorization of [undefined, "Bearer", "Basic eDp5", `Bearer ${unsigned({})}`]) {
      const response = await askTicket(server, authorization);
      assert.equal(response.status, 401);
      assert.match(response.headers.get("www-authenticate")!, /^Bearer/);
      await response.body!.cancel();
    }
    const foreign = await fetch(`${server.developmentUrl}/rt/ticket`, {
      method: "POST",
      headers: { authorization: `Bearer ${await trader()}`, origin: "https://evil.example" },
    });
    assert.equal(foreign.status, 403);
    await foreign.body!.cancel();
  });
  await withServer({}, async ({ server }) => {
    const response = await askTicket(server, "Bearer x");
    assert.equal(response.status, 404);
    await response.body!.cancel();
  });
});

Deno.test("a ticket that one node gave is good on another, once in all", async () => {
  const redis = await TestRedis.start();
  try {
    const options = { ...OPTIONS, redis: { url: redis.url } };
    await withServer(options, (here) =>
      withServer(options, async (there) => {
        const ticket = await ticketOf(here.server);
        const results = await Promise.all([here, there, here, there].map(async ({ client }) => {
          const one = client("websocket", { token: ticket });
          return await Promise.race([one.ready.then(() => "in"), one.closed.then(() => "out")])
            .catch(() => "out");
        }));
        assert.deepEqual(results.toSorted(), ["in", "out", "out", "out"]);
        // Nothing is left of it, nor of one that nobody uses, for long.
        const left = await ticketOf(here.server);
        await redis.ask(async (each) => {
          const keys = (await each.keys("*:once")).filter((key) => key.includes(left));
          assert.equal(keys.length, 1);
          assert.ok(await each.pttl(keys[0]!) <= 10_000);
          assert.deepEqual((await each.keys("*:once")).length, 1);
        });
      }));
  } finally {
    await redis.stop();
  }
});

Deno.test("a user is disconnected on every node, with the tokens of before", async () => {
  const redis = await TestRedis.start();
  try {
    const options = { ...OPTIONS, redis: { url: redis.url } };
    await withServer(options, (here) =>
      withServer(options, async (there) => {
        const at = (ms: number) => sign({ sub: "42", aud: "game", iat: inMs(ms) });
        const nodes = [here, there];
        const old = await at(-10_000);
        const peers = await Promise.all(nodes.map(({ server }) => openRaw("websocket", server)));
        const [other] = await Promise.all(nodes.map(async ({ client }) => {
          const guests = client("websocket", { token: guest });
          await guests.ready;
          return guests;
        }));
        for (const peer of peers) {
          await peer.send({ type: "connect", id: 1, token: old });
          assert.equal((await peer.next()).type, "connected");
        }
        await here.server.disconnect({ user: "42" }, {
          reason: "Log in again",
          notBefore: Date.now(),
        });
        for (const peer of peers) {
          assert.deepEqual(await peer.end(), {
            code: CloseCode.DISCONNECTED,
            reason: "Log in again",
          });
        }
        for (const { server, client } of nodes) {
          await using again = await openRaw("websocket", server);
          await again.send({ type: "connect", id: 1, token: old });
          assert.match((await again.end()).reason, /it was revoked$/);
          await client("websocket", { token: await at(1000) }).ready;
        }
        await withServer(options, async (later) => {
          await using again = await openRaw("websocket", later.server);
          await again.send({ type: "connect", id: 1, token: old });
          assert.match((await again.end()).reason, /it was revoked$/, "a node that starts later");
        });
        assert.equal(other!.state, "connected");
        await there.server.disconnect({ session: other!.session! }, { code: 4501 });
        assert.equal((await other!.closed).code, 4501);
        await assert.rejects(here.server.disconnect({ user: "42" }, { code: 1000 }), RangeError);
        // What nodes tell one another is not for clients.
        const nodesChannel = here.client("websocket", { token: guest }).channel("$nodes");
        const refused = await outcomes([
          nodesChannel.subscribe({ onPublication() {} }).ready,
          nodesChannel.publish({ user: "7", code: 3507, reason: "" }),
          nodesChannel.history(),
        ]);
        assert.deepEqual(refused, [403, 403, 403]);
      }));
  } finally {
    await redis.stop();
  }
});
