import assert from "node:assert/strict";
import { concat, hex } from "../bytes.ts";
import { RawQuicClient } from "../conformance/raw_quic_client.ts";
import { certPem, type TestServer, withServer } from "../integration/harness.ts";
import { until } from "../until.ts";
import {
  ask,
  dial,
  dialHttp2,
  HTTP2_PREFACE,
  http2Frame,
  literalField,
  requestOf,
  statusOf,
} from "./raw_http.ts";

const KEY = "an-api-key-with-32-bytes-or-more";

/** `:method: GET`, `:scheme: https` and what else a request for `/livez` has, in HPACK. */
const HTTP2_GET = concat(
  hex("82 87"),
  literalField(":path", "/livez"),
  literalField(":authority", "localhost"),
);

/** Paths that try to leave the pages' folder, or to be read in another way than they are written. */
const TRAVERSALS = [
  "/..%2f..%2fmod.ts",
  "/..%2fmod.ts",
  "/%2e%2e/mod.ts",
  "/%2e%2e%2fmod.ts",
  "/%252e%252e/mod.ts",
  "/../mod.ts",
  "/./../mod.ts",
  "/built/../../mod.ts",
  "/..;/mod.ts",
  "/....//mod.ts",
  "//etc/passwd",
  "///etc/passwd.html",
  "//localhost/../mod.ts",
  "/\\..\\mod.ts",
  "/..\\mod.ts",
  "/..%5cmod.ts",
  "/%c0%ae%c0%ae/mod.ts",
  "/%uff0e%uff0e/mod.ts",
  "/a%00.html",
  "/index.html%00.css",
  "/index.html%0a",
  "/index.html/",
  "/index.html/.",
  "/index.html::$DATA",
  "/index.html%20",
  "/.hidden.js",
  "/.git/config",
  "/built",
  "/built/",
  "/%",
  "/%ff.html",
  "/file:///etc/passwd",
  "/slipstream.js/../../mod.ts",
  "/slipstream.js%2f..%2f..%2fmod.ts",
  "/slipstream.js%00.ts",
  "/slipstream.d.ts/../x",
];

/** Requests by which two parsers may take a different one for the next. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  "Content-Length beside Transfer-Encoding":
    "host: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nhost: a\r\n\r\n",
  "two Content-Length": "host: a\r\ncontent-length: 4\r\ncontent-length: 6\r\n\r\nabcdef",
  "a Content-Length with a sign": "host: a\r\ncontent-length: +4\r\n\r\nabcd",
  "an unknown Transfer-Encoding": "host: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
  "a Transfer-Encoding that does not end in chunked":
    "host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
  "white space before the colon": "host: a\r\ncontent-length : 4\r\n\r\nabcd",
  "a folded line": "host: a\r\nx: a\r\n content-length: 4\r\n\r\n",
  "a NUL in a field": "host: a\r\nx: a\0b\r\n\r\n",
  "two Host": "host: a\r\nhost: b\r\n\r\n",
  "a Host with white space": "host: a b\r\nconnection: close\r\n\r\n",
  "a Host that begins a path": "host: localhost/livez?\r\nconnection: close\r\n\r\n",
  "a Host with a user": "host: evil.example@localhost\r\nconnection: close\r\n\r\n",
  "a Host whose port is none": "host: localhost:99999\r\nconnection: close\r\n\r\n",
};

Deno.test("no path leads out of the pages' folder, however it is written", async () => {
  await withServer({}, async ({ server, log }) => {
    for (const path of TRAVERSALS) {
      const response = await ask(server, requestOf(server, `GET ${path}`));
      assert.equal(statusOf(response), 404, path);
    }
    const raw = await ask(server, requestOf(server, "GET /index.html\0.css"));
    assert.equal(statusOf(raw), 400);
    assert.deepEqual(log, []);
  });
});

Deno.test("a request that two parsers may read apart is refused, and nothing follows it", async () => {
  await withServer({}, async ({ server, log }) => {
    for (const [what, rest] of Object.entries(AMBIGUOUS)) {
      const response = await ask(server, `POST /rt/send HTTP/1.1\r\n${rest}`);
      assert.equal(statusOf(response), 400, what);
      assert.equal(response.match(/HTTP\/1\.1 /g)?.length, 1, what);
    }
    assert.deepEqual(log, []);
  });
});

Deno.test("an :authority that begins a path, or is no host, is refused over HTTP/3", async () => {
  await withServer({}, async ({ server, log }) => {
    for (const authority of ["localhost/livez?", "evil@localhost", "localhost:99999", "a\\b"]) {
      const client = await RawQuicClient.connect({ addr: server, cert: certPem });
      await client.openControl(hex("04 00"));
      const stream = await client.request([
        [":method", "GET"],
        [":scheme", "https"],
        [":authority", authority],
        [":path", "/rt/info"],
      ]);
      await stream.end();
      assert.equal((await stream.readResponse()).status, 400, authority);
      await client.close();
    }
    assert.deepEqual(log, []);
  });
});

Deno.test("a head over what the runtime takes is refused over HTTP/1.1", async () => {
  await withServer({}, async ({ server }) => {
    const large = "a".repeat(300_000);
    for (
      const request of [
        requestOf(server, `GET /${large}`),
        requestOf(server, "GET /livez", { x: large }),
        requestOf(server, "GET /livez", { [large]: "x" }),
        requestOf(
          server,
          "GET /livez",
          Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`x${at}`, "a"])),
        ),
      ]
    ) {
      await using tcp = await dial(server);
      await tcp.write(request);
      const response = await tcp.end();
      // A reset that follows may overtake the answer.
      assert.ok(response === "" || statusOf(response) === 400, response);
    }
    assert.equal(statusOf(await ask(server, requestOf(server, "GET /livez"))), 200);
  });
});

Deno.test("a head without end is cut off over HTTP/2, in large frames or in empty ones", async () => {
  await withServer({}, async ({ server }) => {
    const fields = concat(
      ...Array.from({ length: 100 }, (_, at) => literalField(`x${at}`, "a".repeat(100))),
    );
    for (const part of [fields, new Uint8Array(0)]) {
      await using tcp = await dialHttp2(server);
      // HEADERS that end the stream and no head, then CONTINUATION for ever.
      await tcp.write(concat(HTTP2_PREFACE, http2Frame(0x1, 0x1, 1, HTTP2_GET)));
      for (let sent = 0; sent < 20_000 && !tcp.ended; sent++) {
        await tcp.write(http2Frame(0x9, 0, 1, part));
      }
      assert.match(await tcp.end(), /too_many_continuations/);
    }
  });
});

Deno.test("streams that are reset as they are opened are cut off over HTTP/2", async () => {
  await withServer({}, async ({ server }) => {
    await using tcp = await dialHttp2(server);
    await tcp.write(HTTP2_PREFACE);
    for (let id = 1; id < 100_000 && !tcp.ended; id += 2) {
      const reset = http2Frame(0x3, 0, id, hex("00000008"));
      await tcp.write(concat(http2Frame(0x1, 0x5, id, HTTP2_GET), reset));
    }
    assert.match(await tcp.end(), /too_many_resets/);
  });
});

Deno.test("heads and bodies that drip hold nothing but their socket, and nobody else up", async () => {
  await withServer({ api: { keys: [KEY] } }, async ({ server, client }) => {
    const honest = client("websocket");
    await honest.ready;
    const before = server.transports;
    const dripping = await Promise.all(
      Array.from({ length: 60 }, async (_, at) => {
        const tcp = await dial(server);
        const host = `host: localhost:${server.developmentPort}\r\n`;
        const heads = [
          "",
          `GET /rt/sse HTTP/1.1\r\n${host}x-`,
          `GET /rt/ws HTTP/1.1\r\n${host}upgrade: websocket\r\n`,
          `POST /rt/send HTTP/1.1\r\n${host}content-length: 1000\r\n\r\n`,
          `POST /api/publish HTTP/1.1\r\n${host}content-length: 1000\r\n\r\n`,
        ];
        await tcp.write(heads[at % heads.length]!);
        return tcp;
      }),
    );
    for (let drip = 0; drip < 10; drip++) {
      for (const tcp of dripping) await tcp.write("a");
      assert.equal(statusOf(await ask(server, requestOf(server, "GET /livez"))), 200);
    }
    // What a body is for is refused before the body is waited for.
    await until(
      () => dripping.filter(({ received }) => statusOf(received) >= 400).length === 24,
      "the refusals of what has a whole head",
    );
    assert.equal(server.transports, before);
    assert.equal(server.sessions.count, 1);
    assert.equal(
      await honest.channel("chat:a").publish("here").then(() => honest.state),
      "connected",
    );
    for (const tcp of dripping) await tcp[Symbol.asyncDispose]();
  });
});

Deno.test("nothing that a client sends is unpacked: no compression is agreed, none is undone", async () => {
  await withServer({ api: { keys: [KEY] } }, async ({ server }) => {
    const upgraded = await upgradeOffering(server, "permessage-deflate; client_max_window_bits");
    assert.match(upgraded, /^HTTP\/1\.1 101 /);
    assert.doesNotMatch(upgraded, /sec-websocket-extensions/i);

    // One that would become 8 MiB of JSON.
    const plain = new Blob([`{"channel":"chat:a","data":"${"a".repeat(8 << 20)}"}`]);
    const packed = await new Response(
      plain.stream().pipeThrough(new CompressionStream("gzip")),
    ).bytes();
    assert.ok(packed.length < 20_000);
    const base = `http://localhost:${server.developmentPort}`;
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const response = await fetch(`${base}/api/publish`, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${KEY}` },
      body: packed,
    });
    assert.equal(response.status, 400);
    assert.match((await response.json()).detail, /JSON/);
  });
});

async function upgradeOffering(
  server: TestServer["server"],
  extensions: string,
): Promise<string> {
  await using tcp = await dial(server);
  await tcp.write(requestOf(server, "GET /rt/ws", {
    origin: `http://localhost:${server.developmentPort}`,
    connection: "upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "slipstream.v1.binary",
    "sec-websocket-extensions": extensions,
  }));
  await until(() => tcp.received.includes("\r\n\r\n"), "the answer to the upgrade");
  return tcp.received;
}

Deno.test({
  name: "what a peer sends while it is answered is cut off before it fills the memory",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const fetch = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
    await withServer({ fetch }, async ({ server, client, log }) => {
      const honest = client("sse");
      await honest.ready;
      const chunk = new Uint8Array(1 << 20);
      for (
        const request of [
          requestOf(server, "GET /rt/sse", { connection: "keep-alive" }),
          requestOf(server, "GET /rt/sse?channel=chat:a", { "content-length": "10000000000" }),
          requestOf(server, "GET /app", { connection: "keep-alive" }),
        ]
      ) {
        await using tcp = await dial(server);
        await tcp.write(request);
        // The kernel takes nothing more for a socket that has been cut off, and does not say so.
        for (let sent = 0; sent < 1000 && !tcp.ended; sent++) {
          await Promise.race([tcp.write(chunk), tcp.end()]);
        }
        assert.ok(tcp.ended, request);
      }
      assert.match(log.join("\n"), /sockets were cut off: they brought bytes and no message/);
      await until(() => server.transports === 1, "the end of the attackers");
      await honest.channel("chat:a").publish("here");
      assert.equal(honest.transport, "sse");
    });
  },
});
