import assert from "node:assert/strict";
import { OPEN, serve } from "../../src/mod.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { freePort } from "../broker/redis_server.ts";
import { until } from "../until.ts";
import { nginxOfReadme, runNginx } from "./balancer_site.ts";

Deno.test({
  name:
    "behind README's nginx for HTTP clients have their own addresses, and its pages are the own ones",
  // Elsewhere the loopback has one address.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { certPem: cert, keyPem: key } = await createDevelopmentCertificate();
    const folder = await Deno.makeTempDir({ prefix: "slipstream_proxy_" });
    const seen: string[] = [];
    await using open = new AsyncDisposableStack();
    open.defer(() => Deno.remove(folder, { recursive: true }));
    const server = await serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      proxies: { trusted: ["127.0.0.1"], header: "x-forwarded-for" },
      admission: { maxSessionsPerAddress: 1 },
      namespaces: { chat: { permissions: OPEN } },
      hooks: { onConnect: ({ address, transport }) => void seen.push(`${transport} ${address}`) },
      log() {},
    });
    open.defer(() => server.close());
    const port = freePort();
    await Deno.writeTextFile(`${folder}/chain.pem`, cert);
    await Deno.writeTextFile(`${folder}/key.pem`, key);
    const config = (await nginxOfReadme("http_proxy.conf"))
      .replace("listen 443", `access_log off; listen 127.0.0.1:${port}`)
      .replace("10.0.0.11:4433", `127.0.0.1:${server.port}`)
      .replace("chain.pem", `${folder}/chain.pem`)
      .replace("key.pem", `${folder}/key.pem`);
    const nginx = await runNginx(folder, config);
    open.defer(async () => {
      nginx.kill("SIGTERM");
      await nginx.status;
    });
    await listening(port);

    const url = `https://localhost:${port}`;
    const ask = async (
      localAddress: string,
      path: string,
      headers: Record<string, string> = {},
    ) => {
      const client = open.use(Deno.createHttpClient({ caCerts: [cert], localAddress }));
      const { status, body } = await fetch(url + path, { client, headers });
      open.defer(() => body!.cancel());
      return status;
    };
    const sse = "/rt/sse?channel=chat:a";
    const own = { origin: url };
    // What a client writes itself stands further left than what nginx adds.
    const forged = { ...own, "x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "http" };
    assert.equal(await ask("127.0.0.31", sse, forged), 200);
    assert.equal(await ask("127.0.0.31", sse, forged), 429);
    assert.equal(await ask("127.0.0.32", sse, own), 200);
    assert.equal(await ask("127.0.0.33", sse, { origin: "https://evil.example" }), 403);
    assert.equal(await ask("127.0.0.33", "/metrics"), 403);

    using client = Deno.createHttpClient({ caCerts: [cert], localAddress: "127.0.0.34" });
    const socket = new WebSocket(`${url.replace("https", "wss")}/rt/ws`, {
      protocols: ["slipstream.v1.json"],
      headers: own,
      client,
    });
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    socket.send('{"type":"connect","id":1}');
    await until(() => seen.length === 3);
    assert.deepEqual(seen, ["sse 127.0.0.31", "sse 127.0.0.32", "websocket 127.0.0.34"]);
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
  },
});

/** Resolves once somebody listens on the port. */
async function listening(port: number): Promise<void> {
  for (let left = 500;; left--) {
    try {
      return (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
