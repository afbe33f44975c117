import assert from "node:assert/strict";
import { OPEN, type ServerOptions, type WebhookOptions } from "../../src/mod.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { SECRET as TOKEN_SECRET, sign } from "../auth/tokens.ts";
import { until } from "../until.ts";
import { Backend, deadPort, json, SECRET, signatureOf } from "../webhooks/backend.ts";
import { KINDS, type TestServer, withServer } from "./harness.ts";
import { openRaw } from "./raw_peer.ts";

const EVENTS = ["connect", "subscribe", "publish", "rpc", "disconnect"] as const;

/** Runs `body` with a server that asks `backend`, and closes both. */
async function withBackend(
  backend: Backend,
  webhooks: Partial<WebhookOptions>,
  body: (test: TestServer) => Promise<void>,
  options: ServerOptions = {},
): Promise<void> {
  try {
    await withServer({
      webhooks: { url: backend.url, secrets: [SECRET], events: EVENTS, ...webhooks },
      namespaces: { chat: { presence: true, permissions: OPEN } },
      ...options,
    }, body);
  } finally {
    await backend.close();
  }
}

for (const kind of KINDS) {
  Deno.test(`${kind}: a backend decides by webhooks, and is told of the end`, async () => {
    const backend = new Backend(({ delivery }) => {
      switch (delivery.event) {
        case "connect":
          return json({ user: "ann", info: { badge: delivery.client.claims.role } });
        case "subscribe":
          return delivery.channel === "chat:closed"
            ? json({ refuse: { code: 403, message: "Members only" } })
            : json({});
        case "publish":
          return delivery.data === "rude"
            ? json({ refuse: { code: 422, message: "Be kind" } })
            : json({ data: `${delivery.session.user}: ${delivery.data}` });
        case "rpc":
          return delivery.method === "sum" ? json({ data: 3 }) : json({});
        case "disconnect":
          return new Response(null, { status: 204 });
      }
    });
    const token = await sign({ sub: "42", role: "trader" });
    const options: ServerOptions = {
      auth: { key: TOKEN_SECRET },
      rpc: { other: (data) => data },
    };
    await withBackend(backend, {}, async ({ client, server, log }) => {
      const it = client(kind, { token });
      const channel = it.channel("chat:a");
      const got: unknown[] = [];
      await channel.subscribe({ onPublication: ({ data }) => got.push(data) }).ready;
      await assert.rejects(it.channel("chat:closed").subscribe({ onPublication() {} }).ready, {
        code: 403,
        message: "Members only",
      });
      await channel.publish("hello");
      await assert.rejects(channel.publish("rude"), { code: 422, message: "Be kind" });
      await until(() => got.length === 1, "the publication");
      assert.deepEqual(got, ["ann: hello"]);
      assert.equal(await it.rpc("sum", [1, 2]), 3);
      assert.equal(await it.rpc("other", "mine"), "mine");
      const [member] = await channel.presence();
      assert.deepEqual([member!.user, member!.info], ["ann", { badge: "trader" }]);
      it.close();
      await until(() => backend.events.includes("disconnect"), "the notice");
      const last = backend.received.at(-1)!.delivery;
      assert.ok(last.event === "disconnect");
      assert.deepEqual([last.code, last.session.user], [CloseCode.LEFT, "ann"]);
      assert.equal(server.sessions.count, 0);
      assert.deepEqual(log, []);
    }, options);
    assert.deepEqual(backend.events, [
      "connect",
      "subscribe",
      "subscribe",
      "publish",
      "publish",
      "rpc",
      "rpc",
      "disconnect",
    ]);
    for (const { headers, text } of backend.received) {
      const signature = headers.get("slipstream-signature")!;
      const seconds = /^t=(\d+),/.exec(signature)![1]!;
      assert.equal(signature, signatureOf(seconds, text, SECRET));
      assert.ok(!text.includes(token), "the token is told");
    }
  });

  Deno.test(`${kind}: whom the backend refuses is closed as it says, and who cannot be asked about comes again`, async () => {
    let refuse: unknown = { code: 4501, message: "Banned" };
    const backend = new Backend(() => json({ refuse }));
    const connect = async (server: TestServer["server"]) => {
      await using peer = await openRaw(kind, server);
      await peer.send({ type: "connect", id: 1 });
      return await peer.end();
    };
    const dead = `http://127.0.0.1:${deadPort()}/`;
    await withBackend(backend, {}, async ({ server }) => {
      assert.deepEqual(await connect(server), { code: 4501, reason: "Banned" });
      refuse = {};
      assert.deepEqual(await connect(server), {
        code: CloseCode.UNAUTHORIZED,
        reason: "The backend refuses",
      });
      assert.equal(server.sessions.count, 0);
    });
    const gone = { url: dead, attempts: 1, breakerFailures: 1 };
    await withBackend(new Backend(), gone, async ({ server, log }) => {
      // The second is not asked about: the circuit is open.
      for (let i = 0; i < 2; i++) {
        assert.deepEqual(await connect(server), {
          code: CloseCode.INTERNAL_ERROR,
          reason: "The backend cannot be asked at the moment",
        });
      }
      assert.equal(log.length, 1, log.join("\n"));
    });
  });
}

Deno.test("publications keep their order while the backend takes its time, and hold up no other session", async () => {
  const held = Promise.withResolvers<void>();
  const backend = new Backend(async ({ delivery }) => {
    if (delivery.event === "publish" && delivery.data === "first") await held.promise;
    return json({});
  });
  await withBackend(backend, { events: ["publish"] }, async ({ client }) => {
    const slow = client("websocket");
    const other = client("websocket");
    const got: unknown[] = [];
    await other.channel("chat:a").subscribe({ onPublication: ({ data }) => got.push(data) }).ready;
    const published = ["first", "second", "third"].map((text) =>
      slow.channel("chat:a").publish(text)
    );
    await until(() => backend.received.length === 3, "all three are asked about at once");
    await other.channel("chat:a").publish("from another");
    await until(() => got.length === 1);
    held.resolve();
    await Promise.all(published);
    await until(() => got.length === 4);
    assert.deepEqual(got, ["from another", "first", "second", "third"]);
  });
});

Deno.test("the webhook is asked about what the app's own hook has made of it", async () => {
  const backend = new Backend(({ delivery }) =>
    delivery.event === "publish" ? json({ data: `${delivery.data}!` }) : json({})
  );
  const hooks: ServerOptions["hooks"] = {
    onConnect: () => ({ user: "ann" }),
    onPublish: ({ data }) => {
      const text = JSON.parse(new TextDecoder().decode(data.bytes));
      return {
        data: { format: "json", bytes: new TextEncoder().encode(`"${text} (${text.length})"`) },
      };
    },
  };
  await withBackend(backend, {}, async ({ client }) => {
    const got: unknown[] = [];
    const channel = client("websocket").channel("chat:a");
    await channel.subscribe({ onPublication: ({ data }) => got.push(data) }).ready;
    await channel.publish("hello");
    await until(() => got.length === 1);
    assert.deepEqual(got, ["hello (5)!"]);
    const [connect] = backend.received;
    assert.ok(connect!.delivery.event === "connect");
    assert.equal(connect!.delivery.client.user, "ann");
  }, { hooks });
});

Deno.test("a server that closes tells the backend of every session first", async () => {
  const backend = new Backend();
  await withBackend(backend, { events: ["disconnect"] }, async ({ client, server }) => {
    for (const kind of KINDS) await client(kind).ready;
    assert.equal(server.sessions.count, 3);
    await server.close();
    assert.equal(backend.received.length, 3);
    for (const { delivery } of backend.received) {
      assert.ok(delivery.event === "disconnect");
      assert.equal(delivery.code, CloseCode.SHUTDOWN);
    }
  });
});

Deno.test("metrics count what was asked by event and outcome, and show the circuit", async () => {
  const backend = new Backend(({ delivery: { event } }) =>
    json(event === "publish" ? { refuse: {} } : {})
  );
  await withBackend(backend, {}, async ({ client, server }) => {
    await assert.rejects(client("websocket").channel("chat:a").publish("x"));
    const response = await fetch(`${server.developmentUrl}/metrics`);
    const lines = (await response.text()).split("\n").filter((line) => line.includes("webhook"));
    for (
      const line of [
        'slipstream_webhooks_total{event="connect",outcome="allowed"} 1',
        'slipstream_webhooks_total{event="publish",outcome="refused"} 1',
        "slipstream_webhooks_asked_again_total 0",
        'slipstream_webhook_requests{kind="asking"} 0',
        'slipstream_webhook_requests{kind="notices"} 0',
        'slipstream_webhook_circuit{state="closed"} 1',
        'slipstream_webhook_circuit{state="open"} 0',
      ]
    ) assert.ok(lines.includes(line), `${line} is not in\n${lines.join("\n")}`);
  });
});
