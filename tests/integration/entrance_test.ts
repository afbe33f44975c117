import assert from "node:assert/strict";
import type { SlipstreamServer } from "../../src/mod.ts";
import { until } from "../until.ts";
import { withServer } from "./harness.ts";
import { connectStatus } from "./raw_peer.ts";

const EVIL = "https://evil.example";

/** Asks at an entrance with plain HTTP, under an origin; what comes back is read to its end. */
async function ask(
  server: SlipstreamServer,
  path: string,
  init: RequestInit & { origin?: string } = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  using client = Deno.createHttpClient({});
  const { origin, ...rest } = init;
  const headers = new Headers(init.headers);
  if (origin !== undefined) headers.set("origin", origin);
  const response = await fetch(`${server.developmentUrl}${path}`, { ...rest, headers, client });
  // An event stream has no end of its own.
  if (response.headers.get("content-type") !== "text/event-stream") {
    return { status: response.status, headers: response.headers, text: await response.text() };
  }
  await response.body!.cancel();
  return { status: response.status, headers: response.headers, text: "" };
}

const UPGRADE = {
  connection: "upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-protocol": "slipstream.v1.binary",
};

/** Sends the head of an upgrade as a browser does, which `fetch` cannot. */
async function upgrade(
  server: SlipstreamServer,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.developmentPort! });
  try {
    const head = [
      "GET /rt/ws HTTP/1.1",
      `host: localhost:${server.developmentPort}`,
      ...Object.entries({ ...UPGRADE, ...headers }).map(([name, value]) => `${name}: ${value}`),
    ];
    await conn.write(new TextEncoder().encode(head.join("\r\n") + "\r\n\r\n"));
    let text = "";
    const buffer = new Uint8Array(4096);
    const decoder = new TextDecoder();
    do {
      const read = await conn.read(buffer);
      if (read === null) break;
      text += decoder.decode(buffer.subarray(0, read));
    } while (!/\r\n\r\n(.|$)/s.test(text) || (!text.includes("101") && !text.endsWith("\n")));
    return {
      status: Number(text.split(" ", 2)[1]),
      text: text.slice(text.indexOf("\r\n\r\n") + 4),
    };
  } finally {
    conn.close();
  }
}

const ENTRANCES: readonly [
  string,
  (server: SlipstreamServer, origin?: string) => Promise<number>,
][] = [
  [
    "WebTransport CONNECT",
    async (server, origin) => (await connectStatus(server, "/rt/wt", origin)).status,
  ],
  [
    "WebSocket upgrade",
    async (server, origin) =>
      (await upgrade(server, origin === undefined ? {} : { origin })).status,
  ],
  [
    "SSE GET",
    async (server, origin) =>
      (await ask(server, "/rt/sse", origin === undefined ? {} : { origin })).status,
  ],
];

/** What a POST to no stream is answered: it has passed the gate. */
const NO_STREAM = 404;

async function post(server: SlipstreamServer, origin?: string): Promise<number> {
  const { status } = await ask(server, "/rt/send", {
    method: "POST",
    body: "",
    headers: { "content-type": "application/json", "slipstream-transport": "0".repeat(32) },
    ...(origin !== undefined && { origin }),
  });
  return status;
}

for (const [entrance, status] of ENTRANCES) {
  Deno.test(`${entrance}: another origin gets 403, and nothing exists for it`, async () => {
    await withServer({ origins: {} }, async ({ server, log }) => {
      for (const origin of [EVIL, "null", undefined, "http://localhost", "not an origin"]) {
        assert.equal(await status(server, origin), 403, `origin ${origin}`);
      }
      assert.equal(server.transports, 0);
      assert.equal(server.sessions.count, 0);
      const counted = { missing: 1, null: 1, malformed: 1, "not allowed": 2 };
      assert.deepEqual(server.originRefusals, counted);
      assert.equal(log.length, 5);
      assert.match(log[0]!, /^warn: Origin refused: "https:\/\/evil\.example" .* \(\/rt\/\w+\)/);
    });
  });

  Deno.test(`${entrance}: the server's own pages and allowed origins come in`, async () => {
    await withServer({ origins: { allow: ["https://*.example.com"] } }, async ({ server }) => {
      const passed = entrance === "WebSocket upgrade" ? 101 : 200;
      for (
        const origin of [
          `http://localhost:${server.developmentPort}`,
          `https://localhost:${server.port}`,
          "https://app.example.com",
        ]
      ) {
        assert.equal(await status(server, origin), passed, `origin ${origin}`);
      }
    });
  });
}

Deno.test("POST: another origin gets 403 before its body is looked at", async () => {
  await withServer({ origins: {} }, async ({ server }) => {
    for (const origin of [EVIL, "null", undefined]) assert.equal(await post(server, origin), 403);
    assert.deepEqual(server.originRefusals, {
      missing: 1,
      null: 1,
      malformed: 0,
      "not allowed": 1,
    });
    assert.equal(await post(server, server.developmentUrl), NO_STREAM);
  });
});

/** What a form of another site can send without asking first (Fetch Standard §2.2.2). */
const FORM_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];

Deno.test("POST: what a form can send reaches no session, even of an allowed origin", async () => {
  const options = { origins: { allowMissing: true, allow: ["https://app.example.com"] } };
  await withServer(options, async ({ server }) => {
    using client = Deno.createHttpClient({});
    const stream = await fetch(`${server.developmentUrl}/rt/sse`, { client });
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    const id = /"transport":"(\w+)"/.exec((await reader.read()).value!)![1]!;
    const body = '{"type":"connect","id":1}';
    for (const type of FORM_TYPES) {
      const origin = "https://app.example.com";
      // The header that names the stream is one that no form can set.
      const form = { method: "POST", body, origin, headers: { "content-type": type } };
      assert.equal((await ask(server, "/rt/send", form)).status, 404, type);
      const named = { ...form, headers: { ...form.headers, "slipstream-transport": id } };
      assert.equal((await ask(server, "/rt/send", named)).status, 415, type);
      assert.equal((await ask(server, `/rt/send?slipstream-transport=${id}`, form)).status, 404);
    }
    assert.equal(server.sessions.count, 0);
    const headers = { "content-type": "application/json", "slipstream-transport": id };
    assert.equal((await ask(server, "/rt/send", { method: "POST", body, headers })).status, 204);
    assert.equal(server.sessions.count, 1);
    await reader.cancel();
  });
});

Deno.test("whoever asks for /rt/info is answered, and counts as no refusal", async () => {
  await withServer({ origins: {} }, async ({ server, log }) => {
    const { status, headers } = await ask(server, "/rt/info", { origin: EVIL });
    assert.equal(status, 200);
    assert.equal(headers.get("access-control-allow-origin"), null);
    assert.equal(server.originRefusals["not allowed"], 0);
    assert.deepEqual(log, []);
  });
});

Deno.test("a refusal says what was refused and which option would let it in", async () => {
  await withServer({ origins: {} }, async ({ server }) => {
    const refused = await ask(server, "/rt/sse", { origin: EVIL });
    assert.equal(
      refused.text,
      'Origin refused: "https://evil.example" is neither the server\'s own nor in its origins.allow\n',
    );
    assert.equal(refused.headers.get("access-control-allow-origin"), null);
    const missing = await ask(server, "/rt/sse");
    assert.match(missing.text, /the request has none; the server's origins\.allowMissing/);
  });
});

Deno.test("a same-origin GET without Origin, as browsers send it, comes in", async () => {
  await withServer({ origins: {} }, async ({ server }) => {
    for (
      const [site, status] of [["same-origin", 200], ["cross-site", 403], ["none", 403]] as const
    ) {
      const headers = { "sec-fetch-site": site };
      assert.equal((await ask(server, "/rt/sse", { headers })).status, status, site);
    }
  });
});

Deno.test("a page of an allowed origin may read the answers, and ask before it posts", async () => {
  await withServer({ origins: { allow: ["https://app.example.com"] } }, async ({ server }) => {
    const origin = "https://app.example.com";
    for (const path of ["/rt/info", "/rt/sse"]) {
      const { headers } = await ask(server, path, { origin });
      assert.equal(headers.get("access-control-allow-origin"), origin, path);
      assert.equal(headers.get("vary"), "origin", path);
    }
    const preflight = await ask(server, "/rt/send", { method: "OPTIONS", origin });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get("access-control-allow-headers")!, /slipstream-transport/);
    const refused = await ask(server, "/rt/send", { method: "OPTIONS", origin: EVIL });
    assert.equal(refused.status, 403);
  });
});

Deno.test("a WebSocket without a subprotocol of ours is told which there are", async () => {
  await withServer({}, async ({ server }) => {
    const { status, text } = await upgrade(server, { "sec-websocket-protocol": "soap" });
    assert.equal(status, 400);
    assert.match(text, /slipstream\.v1\.binary or slipstream\.v1\.json was expected: soap/);
    assert.equal(server.transports, 0);
  });
});

Deno.test("an unknown path below /rt/ names those that there are", async () => {
  await withServer({}, async ({ server }) => {
    const { status, text } = await ask(server, "/rt/socket");
    assert.equal(status, 404);
    assert.match(
      text,
      /\/rt\/info, \/rt\/ws, \/rt\/sse, POST \/rt\/send, POST \/rt\/ticket or WebTransport \/rt\/wt/,
    );
  });
});

for (const [entrance, status] of ENTRANCES) {
  Deno.test(`${entrance}: an address with too many sessions gets 429, until one ends`, async () => {
    await withServer({
      admission: { maxSessionsPerAddress: 1 },
      origins: { allowMissing: true },
    }, async ({ server, client }) => {
      const held = client("websocket");
      await held.ready;
      assert.equal(await status(server), 429);
      assert.equal(server.transports, 1);
      held.close();
      await until(() => server.transports === 0, "the session's place is free");
      assert.equal(await status(server), entrance === "WebSocket upgrade" ? 101 : 200);
    });
  });
}

Deno.test("a node that is full answers 503 and says when to come back", async () => {
  await withServer({ admission: { maxSessions: 1 } }, async ({ server, client }) => {
    await client("sse").ready;
    const { status, headers, text } = await ask(server, "/rt/sse");
    assert.equal(status, 503);
    assert.match(headers.get("retry-after")!, /^\d+$/);
    assert.match(text, /^The node takes no more sessions at the moment; come back in \d+ s\n$/);
    assert.match((await connectStatus(server, "/rt/wt")).fields.get("retry-after")!, /^\d+$/);
  });
});

Deno.test("a refused or unfinished upgrade gives its place back", async () => {
  await withServer({ admission: { maxSessions: 1 } }, async ({ server, client }) => {
    await upgrade(server, { "sec-websocket-protocol": "soap" });
    await ask(server, "/rt/ws");
    await client("websocket").ready;
  });
});
