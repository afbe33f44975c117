import assert from "node:assert/strict";
import type { ServerOptions, SlipstreamServer } from "../../src/mod.ts";
import { encodeClientMessage } from "../../src/protocol/json.ts";
import { until } from "../until.ts";
import { certPem, type TestServer, withServer } from "./harness.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A connection as a balancer passes it on: what it says first, then TLS with the server itself. */
class Passed {
  readonly tls: Deno.TlsConn;
  #closed = false;

  private constructor(tls: Deno.TlsConn) {
    this.tls = tls;
  }

  static async open({ port }: SlipstreamServer, first: string): Promise<Passed> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(encoder.encode(first));
    const tls = await Deno.startTls(conn, { hostname: "localhost", caCerts: [certPem] });
    await tls.handshake();
    return new Passed(tls);
  }

  async send(path: string, headers: Record<string, string> = {}): Promise<void> {
    const lines = Object.entries({ host: "localhost", ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`);
    await this.tls.write(encoder.encode(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`));
  }

  /** What comes until it includes `end`. */
  async read(end: string): Promise<string> {
    let text = "";
    const buffer = new Uint8Array(65_536);
    while (!text.includes(end)) {
      const read = await this.tls.read(buffer);
      if (read === null) break;
      text += decoder.decode(buffer.subarray(0, read));
    }
    return text;
  }

  /** Closes it, if it is not closed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.tls.close();
  }

  async ask(path: string, headers: Record<string, string> = {}): Promise<string> {
    await this.send(path, headers);
    return await this.read("\r\n\r\n");
  }
}

const from = (address: string) => `PROXY TCP4 ${address} 10.0.0.1 56324 443\r\n`;

function balanced(
  options: ServerOptions,
  body: (
    test: TestServer & { open(first: string): Promise<Passed>; seen: string[] },
  ) => Promise<void>,
): Promise<void> {
  const conns: Passed[] = [];
  const seen: string[] = [];
  return withServer({
    proxies: { trusted: ["127.0.0.1"], proxyProtocol: true },
    hooks: { onConnect: ({ address, transport }) => void seen.push(`${transport} ${address}`) },
    fetch: (request, { address }) =>
      request.url.endsWith("/large")
        ? new Response(new Uint8Array(5_000_000))
        : new Response(`app ${address}\r\n\r\n`),
    ...options,
  }, async (test) => {
    try {
      await body({
        ...test,
        seen,
        async open(first) {
          const passed = await Passed.open(test.server, first);
          conns.push(passed);
          return passed;
        },
      });
    } finally {
      for (const passed of conns) passed.close();
    }
  });
}

Deno.test("a session has the address that the PROXY protocol names, over SSE and WebSocket", () =>
  balanced({}, async ({ open, seen }) => {
    const sse = await open(from("192.0.2.7"));
    assert.match(await sse.ask("/rt/sse?channel=chat:a"), /^HTTP\/1.1 200/);
    await until(() => seen.length === 1);
    const socket = await open(from("192.0.2.8"));
    const upgraded = await socket.ask("/rt/ws", {
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-protocol": "slipstream.v1.json",
    });
    assert.match(upgraded, /^HTTP\/1.1 101/);
    // A masked text frame with a mask of zeros.
    const connect = encoder.encode(encodeClientMessage({ type: "connect", id: 1 }));
    await socket.tls.write(Uint8Array.of(0x81, 0x80 | connect.length, 0, 0, 0, 0, ...connect));
    await until(() => seen.length === 2);
    assert.deepEqual(seen, ["sse 192.0.2.7", "websocket 192.0.2.8"]);
  }));

Deno.test("limits by address hold for each client behind a balancer, and not for its own checks", () =>
  balanced({ admission: { maxSessionsPerAddress: 1 } }, async ({ open }) => {
    const status = async (first: string) =>
      (await (await open(first)).ask("/rt/sse?channel=chat:a")).slice(9, 12);
    assert.equal(await status(from("192.0.2.7")), "200");
    assert.equal(await status(from("192.0.2.7")), "429");
    assert.equal(await status(from("192.0.2.8")), "200");
    for (let count = 0; count < 3; count++) assert.equal(await status("PROXY UNKNOWN\r\n"), "200");
  }));

Deno.test("a header that the client writes means nothing behind a balancer of TCP", () =>
  balanced(
    {
      proxies: {
        trusted: ["127.0.0.1", "10.0.0.0/8"],
        header: "x-forwarded-for",
        proxyProtocol: true,
      },
    },
    async ({ open }) => {
      const named = await open(from("192.0.2.7"));
      await named.send("/own", { "x-forwarded-for": "198.51.100.1" });
      assert.match(await named.read("app "), /app 192\.0\.2\.7/);
      const unnamed = await open("PROXY UNKNOWN\r\n");
      await unnamed.send("/own", { "x-forwarded-for": "198.51.100.1" });
      assert.match(await unnamed.read("app "), /app 127\.0\.0\.1/);
      // A proxy of HTTP that stands behind the balancer is believed.
      const nested = await open(from("10.0.0.9"));
      await nested.send("/own", { "x-forwarded-for": "198.51.100.1" });
      assert.match(await nested.read("app "), /app 198\.51\.100\.1/);
    },
  ));

Deno.test("/metrics without a key are not for who comes through a balancer on this machine", () =>
  balanced({}, async ({ open }) => {
    assert.match(await (await open(from("192.0.2.7"))).ask("/metrics"), /^HTTP\/1.1 403/);
    assert.match(await (await open("PROXY UNKNOWN\r\n")).ask("/metrics"), /^HTTP\/1.1 403/);
  }));

Deno.test("a trusted peer without a header is closed, and any other is served as who it is", async () => {
  await balanced({}, async ({ server }) => {
    for (const first of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "PROXY TCP9 a b c d\r\n"]) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await conn.write(encoder.encode(first));
      // A reset, where bytes of it were not read.
      const read = await conn.read(new Uint8Array(9)).catch(() => null);
      assert.equal(read, null, first);
      conn.close();
    }
  });
  const proxies = { trusted: ["192.0.2.1"], proxyProtocol: true };
  await balanced({ proxies }, async ({ open }) => {
    const direct = await open("");
    await direct.send("/own");
    assert.match(await direct.read("app "), /app 127\.0\.0\.1/);
  });
});

Deno.test("a large answer passes whole, and its end and the client's end are passed on", () =>
  balanced({}, async ({ open, server }) => {
    const before = openFiles();
    for (let count = 0; count < 3; count++) {
      const passed = await open(from("192.0.2.7"));
      await passed.send("/large", { connection: "close" });
      let size = 0;
      const buffer = new Uint8Array(65_536);
      for (let read; (read = await passed.tls.read(buffer)) !== null;) size += read;
      assert.ok(size > 5_000_000, `${size}`);
      passed.close();
    }
    const cut = await open(from("192.0.2.7"));
    await cut.ask("/rt/sse?channel=chat:a");
    await until(() => server.transports === 1);
    cut.close();
    await until(() => server.transports === 0);
    await until(() => openFiles() <= before);
  }));

function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
