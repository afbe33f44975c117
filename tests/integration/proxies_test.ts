import assert from "node:assert/strict";
import type { ServerOptions, SlipstreamServer } from "../../src/mod.ts";
import { until } from "../until.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { certPem, type TestServer, withServer } from "./harness.ts";
import { connectFields } from "./raw_peer.ts";

const HOST = "game.example";

/** Sends a request as a proxy does, over a socket of its own that `sockets` keeps open. */
async function ask(
  { developmentPort }: SlipstreamServer,
  sockets: Deno.Conn[],
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: developmentPort! });
  sockets.push(conn);
  const head = [`GET ${path} HTTP/1.1`]
    .concat(Object.entries({ host: HOST, ...headers }).map(([name, value]) => `${name}: ${value}`));
  await conn.write(new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n`));
  const buffer = new Uint8Array(8192);
  let text = "";
  const decoder = new TextDecoder();
  while (!text.includes("\r\n\r\n")) {
    const read = await conn.read(buffer);
    if (read === null) break;
    text += decoder.decode(buffer.subarray(0, read));
  }
  return { status: Number(text.split(" ", 2)[1]), text };
}

const UPGRADE = {
  connection: "upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-protocol": "slipstream.v1.json",
};

/** Runs `body` against a server behind a proxy on this machine. */
async function behindProxy(
  { pages, ...options }: ServerOptions & { readonly pages?: true },
  body: (test: TestServer & { seen: string[]; sockets: Deno.Conn[] }) => Promise<void>,
): Promise<void> {
  const seen: string[] = [];
  const sockets: Deno.Conn[] = [];
  await withServer({
    proxies: { trusted: ["127.0.0.1"], header: "x-forwarded-for" },
    hooks: { onConnect: ({ address, transport }) => void seen.push(`${transport} ${address}`) },
    ...(!pages && { fetch: (_, { address }) => new Response(`app ${address}`) }),
    ...options,
  }, async (test) => {
    try {
      await body({ ...test, seen, sockets });
    } finally {
      for (const conn of sockets) conn.close();
    }
  });
}

Deno.test("hooks, sessions and the app's routes see the client that a trusted proxy names", () =>
  behindProxy({}, async ({ server, seen, sockets }) => {
    const from = (address: string) => ({ "x-forwarded-for": `198.51.100.66, ${address}` });
    await ask(server, sockets, "/rt/sse?channel=chat:a", from("192.0.2.1"));
    await until(() => seen.length === 1);
    assert.equal(
      (await ask(server, sockets, "/rt/ws", { ...UPGRADE, ...from("192.0.2.2") })).status,
      101,
    );
    const { text } = await ask(server, sockets, "/own", from("192.0.2.3"));
    assert.match(text, /app 192\.0\.2\.3/);
    assert.deepEqual(seen, ["sse 192.0.2.1"]);
  }));

Deno.test("limits by address hold for each client behind a proxy, and for no proxy", () =>
  behindProxy({ admission: { maxSessionsPerAddress: 1 } }, async ({ server, sockets }) => {
    const sse = async (headers: Record<string, string>) =>
      (await ask(server, sockets, "/rt/sse?channel=chat:a", headers)).status;
    assert.equal(await sse({ "x-forwarded-for": "192.0.2.1" }), 200);
    assert.equal(await sse({ "x-forwarded-for": "192.0.2.1" }), 429);
    assert.equal(await sse({ "x-forwarded-for": "192.0.2.1, 192.0.2.2" }), 200);
    assert.equal(await sse({ "x-forwarded-for": "192.0.2.1, 192.0.2.2" }), 429);
    // It names nobody: who is behind it must share no limit.
    for (let count = 0; count < 3; count++) assert.equal(await sse({}), 200);
  }));

Deno.test("a header of a peer that is not trusted changes nothing", () =>
  behindProxy(
    { proxies: { trusted: ["192.0.2.0/24"], header: "x-forwarded-for" } },
    async ({ server, seen, sockets }) => {
      const headers = { "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https" };
      await ask(server, sockets, "/rt/sse?channel=chat:a", headers);
      await until(() => seen.length === 1);
      assert.deepEqual(seen, ["sse 127.0.0.1"]);
      const origin = `https://${HOST}`;
      assert.equal((await ask(server, sockets, "/rt/sse", { ...headers, origin })).status, 403);
    },
  ));

Deno.test("a page behind a proxy that takes TLS off is the server's own", () =>
  behindProxy({ origins: {} }, async ({ server, sockets }) => {
    const sse = async (headers: Record<string, string>) =>
      (await ask(server, sockets, "/rt/sse?channel=chat:a", {
        "x-forwarded-for": "192.0.2.1",
        ...headers,
      })).status;
    const own = { origin: `https://${HOST}` };
    assert.equal(await sse({ ...own, "x-forwarded-proto": "https" }), 200);
    assert.equal(await sse(own), 403, "nothing says that the page's TLS ended at the proxy");
    assert.equal(await sse({ ...own, "x-forwarded-proto": "http" }), 403);
    const evil = { origin: "https://evil.example", "x-forwarded-proto": "https" };
    assert.equal(await sse(evil), 403);
    const sameOrigin = { "sec-fetch-site": "same-origin", "x-forwarded-proto": "https" };
    assert.equal(await sse(sameOrigin), 200, "a GET of an own page, which has no Origin");
  }));

Deno.test("/metrics without a key answers no request that came through a proxy", async () => {
  await behindProxy({}, async ({ server, sockets }) => {
    for (const headers of [{}, { "x-forwarded-for": "127.0.0.1" }]) {
      assert.equal((await ask(server, sockets, "/metrics", headers)).status, 403);
    }
  });
  await withServer({}, async ({ server }) => {
    const sockets: Deno.Conn[] = [];
    assert.equal((await ask(server, sockets, "/metrics", { host: "localhost" })).status, 200);
    assert.equal((await ask(server, sockets, "/metrics", { host: "127.0.0.1:1" })).status, 200);
    // Any page can have its own name lead here.
    assert.equal((await ask(server, sockets, "/metrics", { host: "evil.example" })).status, 403);
    const forwarded = { host: "localhost", "x-forwarded-for": "192.0.2.1" };
    assert.equal((await ask(server, sockets, "/metrics", forwarded)).status, 403);
    for (const conn of sockets) conn.close();
  });
});

for (const headerOverHttp3 of [false, true]) {
  const what = headerOverHttp3 ? "named by a proxy that speaks it" : "that of UDP's peer";
  Deno.test(`over HTTP/3 the address is ${what}`, () => {
    const proxies = { trusted: ["127.0.0.1"], header: "x-forwarded-for", headerOverHttp3 } as const;
    const webtransport = { maxConnectionsPerAddress: 1 };
    return behindProxy({ proxies, webtransport }, async ({ server }) => {
      const seen: string[] = [];
      server.webtransport("/own", (request, { address }) => {
        seen.push(address);
        request.reject(404);
      });
      // The limit by address is none for a proxy.
      const clients = [];
      for (let count = 0; count < 2; count++) {
        const client = await RawQuicClient.connect({ addr: server, cert: certPem });
        clients.push(client);
        await client.openControl(CLIENT_SETTINGS);
        const fields = connectFields(server.port, "/own");
        const connect = await client.request([...fields, ["x-forwarded-for", "192.0.2.1"]]);
        assert.equal((await connect.readResponse()).status, 404);
      }
      for (const client of clients) await client.close();
      const address = headerOverHttp3 ? "192.0.2.1" : "127.0.0.1";
      assert.deepEqual(seen, [address, address]);
    });
  });
}

Deno.test("clients are told where a balancer has WebTransport", async () => {
  for (
    const [publicAddress, host, port] of [
      [{}, HOST, undefined],
      [{ port: 443 }, HOST, ""],
      [{ port: 8443 }, HOST, "8443"],
      [{ hostname: "2001:db8::1", port: 8443 }, "[2001:db8::1]", "8443"],
      [{ hostname: "node1.example" }, "node1.example", undefined],
    ] as const
  ) {
    await behindProxy({ publicAddress, pages: true }, async ({ server, sockets }) => {
      const { text } = await ask(server, sockets, "/rt/info");
      const { webtransport } = JSON.parse(text.slice(text.indexOf("\r\n\r\n")));
      const url = new URL(webtransport.url);
      assert.deepEqual([url.hostname, url.port], [host, port ?? `${server.port}`]);
      const page = await ask(server, sockets, "/");
      assert.ok(page.text.includes(` ${url.origin};`), "the page's policy names it");
    });
  }
});
