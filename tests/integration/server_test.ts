import assert from "node:assert/strict";
import { serve, type ServerOptions, type SlipstreamServer } from "../../src/mod.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { checkEcho, echo } from "../conformance/server.ts";
import { FakeClock } from "../fake_clock.ts";
import { withTempFolder } from "../temp_folder.ts";
import { until } from "../until.ts";
import { certPem, withServer } from "./harness.ts";
import { connectFields, connectStatus, openRaw } from "./raw_peer.ts";

/** What a GET over TLS answers. */
async function get(server: SlipstreamServer, path: string, headers: HeadersInit = {}) {
  using client = Deno.createHttpClient({ caCerts: [certPem] });
  const response = await fetch(`https://localhost:${server.port}${path}`, { headers, client });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What a GET over HTTP/3 answers. */
async function getOverQuic(server: SlipstreamServer, path: string) {
  const client = await RawQuicClient.connect({ addr: server, cert: certPem });
  try {
    await client.openControl(CLIENT_SETTINGS);
    const stream = await client.request([
      [":method", "GET"],
      [":scheme", "https"],
      [":authority", `localhost:${server.port}`],
      [":path", path],
    ]);
    await stream.end();
    const { status, fields } = await stream.readResponse();
    return { status, fields, text: new TextDecoder().decode(await stream.readBody()) };
  } finally {
    await client.close();
  }
}

Deno.test("TCP and UDP have one port number, and info says what there is", async () => {
  await withServer({}, async ({ server }) => {
    const { text } = await get(server, "/rt/info");
    const { pass, ...info } = JSON.parse(text);
    assert.deepEqual(info.transports, ["webtransport", "websocket", "sse"]);
    assert.equal(new URL(info.webtransport.url).port, String(server.port));
    assert.equal(info.webtransport.certificateHashes.length, 1);
    assert.deepEqual(info, server.info);
    assert.match(pass, /^[0-9a-f]{32}$/);
  });
});

Deno.test("Alt-Svc leads from TCP to HTTP/3, where the same is served", async () => {
  await withServer({}, async ({ server }) => {
    for (const path of ["/rt/info", "/"]) {
      const { headers, text } = await get(server, path);
      assert.equal(headers.get("alt-svc"), `h3=":${server.port}"; ma=86400`);
      const overQuic = await getOverQuic(server, path);
      assert.equal(overQuic.status, 200);
      assert.equal(withoutPass(overQuic.text), withoutPass(text));
      assert.equal(overQuic.fields.get("alt-svc"), undefined);
    }
    const plain = await fetch(`${server.developmentUrl}/rt/info`);
    assert.equal(plain.headers.get("alt-svc"), null);
    await plain.body!.cancel();
  });
});

Deno.test("the pages come with a policy that lets in what is the server's own", async () => {
  await withServer({}, async ({ server }) => {
    const { status, headers, text } = await get(server, "/");
    assert.equal(status, 200);
    assert.match(text, /<title>Slipstream<\/title>/);
    assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(
      headers.get("content-security-policy")!,
      new RegExp(
        `connect-src 'self' wss://localhost:${server.port} https://[^ ;]+:${server.port};`,
      ),
    );
    const again = await get(server, "/", { "if-none-match": headers.get("etag")! });
    assert.equal(again.status, 304);
  });
});

Deno.test("nothing outside the pages' folder is served", async () => {
  await withServer({}, async ({ server }) => {
    for (
      const path of [
        "/../mod.ts",
        "/%2e%2e/mod.ts",
        "/..%2fmod.ts",
        "/.gitignore",
        "/built",
        "/x.html",
      ]
    ) {
      assert.equal((await get(server, path)).status, 404, path);
      assert.equal((await getOverQuic(server, path)).status, 404, path);
    }
  });
});

Deno.test("the SDK and its types are served to pages of any origin", async () => {
  await withServer({}, async ({ server }) => {
    for (const path of ["/slipstream.js", "/slipstream.d.ts"]) {
      const { status, headers } = await get(server, path);
      assert.equal(status, 200, `${path}: run deno task build`);
      assert.equal(headers.get("access-control-allow-origin"), "*");
    }
  });
});

Deno.test("an app's own routes get every other path, over TCP and HTTP/3", async () => {
  const fetch: ServerOptions["fetch"] = (request, { address }) =>
    new Response(`${new URL(request.url).pathname} for ${address}`);
  await withServer({ fetch }, async ({ server }) => {
    assert.equal((await get(server, "/price")).text, "/price for 127.0.0.1");
    assert.equal((await getOverQuic(server, "/price")).text, "/price for 127.0.0.1");
    assert.equal((await get(server, "/rt/info")).status, 200);
  });
});

Deno.test("an app has the raw WebTransport sessions of its own paths", async () => {
  await withServer({}, async ({ server }) => {
    server.webtransport("/echo", async (request) => echo(await request.accept()));
    server.webtransport("/closed", (request) => request.reject(410));
    const client = await RawQuicClient.connect({ addr: server, cert: certPem });
    await client.openControl(CLIENT_SETTINGS);
    const stream = await client.request(connectFields(server.port, "/echo?room=1"));
    assert.equal((await stream.readResponse()).status, 200);
    await checkEcho({ client, stream, id: stream.id });
    await client.close();
    assert.equal((await connectStatus(server, "/closed")).status, 410);
    assert.equal((await connectStatus(server, "/nowhere")).status, 404);
    assert.throws(() => server.webtransport("/echo", () => {}), /one handler: "\/echo"/);
    assert.throws(() => server.webtransport("/rt/wt", () => {}), /one handler: "\/rt\/wt"/);
    assert.throws(() => server.webtransport("echo", () => {}), /begin with a slash: "echo"/);
  });
});

Deno.test("serve() names a port that is in use, and leaves nothing behind", async () => {
  await withTempFolder(async (folder) => {
    await withServer({}, async ({ server }) => {
      const { port, developmentPort } = server;
      const tls = { developmentFolder: folder };
      await assert.rejects(serve({ tls, port, developmentPort: 0 }), {
        name: "AddrInUse",
        message: `UDP port ${port} of localhost is in use: ` +
          "end the program that has it, or choose another port (0 takes a free one)",
      });
      await assert.rejects(serve({ tls, port: 0, developmentPort: developmentPort! }), {
        name: "AddrInUse",
        message: `TCP port ${developmentPort} of localhost is in use: ` +
          "end the program that has it, or choose another port (0 takes a free one)",
      });
    });
  });
});

Deno.test("serve() names a certificate file that is missing, or a key that does not fit", async () => {
  await withTempFolder(async (folder) => {
    const one = await createDevelopmentCertificate();
    const other = await createDevelopmentCertificate();
    const files = { certFile: `${folder}/chain.pem`, keyFile: `${folder}/key.pem` };
    await assert.rejects(serve({ tls: files }), /chain\.pem must be a readable file/);
    await Deno.writeTextFile(files.certFile, one.certPem);
    await Deno.writeTextFile(files.keyFile, other.keyPem);
    await assert.rejects(serve({ tls: files }), /key\.pem must hold the private key of/);
    await assert.rejects(
      serve({ tls: { cert: one.certPem, key: other.keyPem } }),
      /The option tls\.key must hold the private key of the certificate in The option tls\.cert/,
    );
  });
});

Deno.test("serve() takes a configured certificate, and leaves development mode", async () => {
  const { certPem: cert, keyPem: key } = await createDevelopmentCertificate();
  const tls = { cert, key };
  await withServer({ tls, hostname: "localhost", developmentPort: false }, async ({ server }) => {
    assert.equal(server.developmentUrl, undefined);
    assert.equal(server.info.webtransport!.certificateHashes, undefined);
    using client = Deno.createHttpClient({ caCerts: [cert] });
    const response = await fetch(`${server.url}/rt/info`, { client });
    assert.equal(response.status, 200);
    await response.body!.cancel();
  });
});

Deno.test("a drain gives each session its own moment, lets nobody in, and closes", async () => {
  await withServer({}, async ({ server, client }) => {
    const clients = Array.from({ length: 8 }, () => client("websocket"));
    await Promise.all(clients.map(({ ready }) => ready));
    const delays: number[] = [];
    for (const each of clients) each.on("drain", ({ delayMs }) => delays.push(delayMs));
    const drained = server.drain({ windowMs: 500 });
    await until(() => delays.length === clients.length, "everybody is told");
    assert.ok(delays.every((delayMs) => delayMs >= 0 && delayMs <= 500));
    assert.ok(new Set(delays).size > 1, `moments of their own: ${delays}`);
    const refused = await fetch(`${server.developmentUrl}/rt/sse`);
    assert.equal(refused.status, 503);
    await refused.body!.cancel();
    for (const each of clients) each.close();
    await drained;
    await server.finished;
    assert.equal(server.transports, 0);
  });
});

Deno.test("a second drain() ends the server at once", async () => {
  await withServer({ clock: new FakeClock() }, async ({ server }) => {
    await using peer = await openRaw("websocket", server);
    await peer.send({ type: "connect", id: 1 });
    await peer.next();
    // On a clock that stands still this one would never end.
    void server.drain({ windowMs: 60_000 });
    void server.drain();
    assert.equal((await peer.end()).code, 3000);
    await server.finished;
  });
});

/** Everybody who asks gets a pass of its own. */
function withoutPass(info: string): string {
  return info.replace(/"pass":"[0-9a-f]+"/, "");
}

Deno.test("what an app's route throws reaches the log, and the client nothing of it", async () => {
  const fetch = () => {
    throw new Error("a secret of the app");
  };
  await withServer({ fetch }, async ({ server, log }) => {
    const response = await get(server, "/");
    assert.equal(response.status, 500);
    assert.doesNotMatch(response.text, /secret/);
    assert.match(log.join("\n"), /a secret of the app/);
  });
});
