import assert from "node:assert/strict";
import { serve, type ServerOptions } from "../../src/mod.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { certPem, withServer } from "./harness.ts";

const API_KEY = "a-key-of-at-least-32-characters!";

/** What the server itself serves: a path for each of the router's, and what it is. */
const ROUTES: Readonly<Record<string, readonly [path: string, kind: "page" | "sdk" | "answer"]>> = {
  "/livez": ["/livez", "answer"],
  "/readyz": ["/readyz", "answer"],
  "/rt/info": ["/rt/info", "answer"],
  "/rt/ws": ["/rt/ws", "answer"],
  "/rt/sse": ["/rt/sse?channel=chat:a", "answer"],
  "/rt/send": ["/rt/send", "answer"],
  "/rt/ticket": ["/rt/ticket", "answer"],
  "/rt/*": ["/rt/nothing", "answer"],
  "/:name{slipstream\\\\.(?:js|d\\\\.ts)}": ["/slipstream.js", "sdk"],
  "/metrics": ["/metrics", "answer"],
  "/api/*": ["/api/openapi.json", "answer"],
  "*": ["/", "page"],
};

/** More paths, of which some are answered with an error. */
const OTHERS = [
  ["/arena", "page"],
  ["/ticker", "page"],
  ["/page.css", "page"],
  ["/lobby.js", "page"],
  ["/icon.svg", "page"],
  ["/nowhere", "page"],
  ["/../../etc/passwd", "page"],
  ["/slipstream.d.ts", "sdk"],
  ["/api/publish", "answer"],
  ["/api/nothing", "answer"],
] as const;

const METHODS = ["GET", "HEAD", "POST", "OPTIONS", "PUT"] as const;

async function headersOf(
  url: string,
  init: RequestInit & { readonly client?: Deno.HttpClient } = {},
): Promise<Headers> {
  const response = await fetch(url, init);
  await response.body?.cancel();
  return response.headers;
}

Deno.test("the routes that are looked at are all that the router has", async () => {
  const source = await Deno.readTextFile(new URL("../../src/server/router.ts", import.meta.url));
  const argument = String.raw`\[[^\]]*\]|"[^"]*"`;
  const route = new RegExp(
    String.raw`\bapp\.(?:get|post|put|delete|all|on|options)\(\s*(?:\[[^\]]*\],\s*)?(${argument})`,
    "g",
  );
  const paths = [...source.matchAll(route)]
    .flatMap(([, argument]) => [...argument!.matchAll(/"([^"]*)"/g)].map(([, path]) => path!));
  assert.ok(paths.length > 10);
  assert.deepEqual([...new Set(paths)].sort(), Object.keys(ROUTES).sort());
});

Deno.test("everything that the server serves is guarded, whatever the method, and sets no cookie", async () => {
  const options: ServerOptions = { api: { keys: [API_KEY] } };
  await withServer(options, async ({ server }) => {
    const all = [...Object.values(ROUTES), ...OTHERS];
    for (const [path, kind] of all) {
      for (const method of METHODS) {
        const headers = await headersOf(server.developmentUrl + path, { method });
        const what = `${method} ${path}`;
        assert.equal(headers.get("x-content-type-options"), "nosniff", what);
        assert.equal(headers.get("referrer-policy"), "no-referrer", what);
        const policy = headers.get("content-security-policy");
        assert.match(policy ?? "", /default-src 'none'.*frame-ancestors 'none'/, what);
        assert.equal(headers.get("set-cookie"), null, what);
        assert.equal(headers.get("strict-transport-security"), null, what);
        if (kind === "answer") assert.equal(headers.get("cache-control"), "no-store", what);
        if (kind === "page") {
          assert.match(policy!, /connect-src 'self' ws:\/\/localhost:\d+ https:\/\//, what);
          assert.equal(headers.get("cross-origin-opener-policy"), "same-origin", what);
        }
      }
    }
  });
});

Deno.test("the app's pages keep their own headers, over http and over https", async () => {
  const app = () =>
    new Response("app", {
      headers: { "content-security-policy": "default-src *", "set-cookie": "a=b", "x-own": "1" },
    });
  using client = Deno.createHttpClient({ caCerts: [certPem] });
  await withServer({ fetch: app }, async ({ server }) => {
    for (const url of [server.developmentUrl!, server.url]) {
      const headers = await headersOf(`${url}/page`, { client });
      assert.equal(headers.get("content-security-policy"), "default-src *");
      assert.equal(headers.get("set-cookie"), "a=b");
      assert.equal(headers.get("x-own"), "1");
      assert.equal(headers.get("x-content-type-options"), null);
      // In development a browser that remembered would shut other programs of localhost out.
      assert.equal(headers.get("strict-transport-security"), null);
    }
    // Nobody has asked for them.
    const api = await fetch(`${server.url}/api/info`, { client });
    assert.equal(await api.text(), "app");
  });
});

Deno.test("with a certificate of its own the server has browsers keep to https", async () => {
  const { certPem: cert, keyPem: key } = await createDevelopmentCertificate();
  using client = Deno.createHttpClient({ caCerts: [cert] });
  for (
    const [option, expected] of [
      [{}, "max-age=15552000"],
      [{ hstsMaxAgeSeconds: 60 }, "max-age=60"],
      [{ hstsMaxAgeSeconds: false }, null],
    ] as const
  ) {
    const server = await serve({
      ...option,
      tls: { cert, key },
      hostname: "localhost",
      port: 0,
      log() {},
    });
    try {
      for (const path of ["/", "/rt/info", "/livez", "/slipstream.js"]) {
        const headers = await headersOf(server.url + path, { client });
        assert.equal(headers.get("strict-transport-security"), expected, path);
      }
    } finally {
      await server.close();
    }
  }
});

Deno.test("/metrics is for programs on this machine, and there is no /admin", async () => {
  await withServer({}, async ({ server }) => {
    const metrics = await fetch(`${server.developmentUrl}/metrics`, {
      headers: { "x-forwarded-for": "192.0.2.1" },
    });
    assert.equal(metrics.status, 403);
    await metrics.body?.cancel();
    for (const path of ["/admin", "/admin/", "/api/info", "/debug"]) {
      const response = await fetch(server.developmentUrl + path);
      assert.equal(response.status, 404, path);
      await response.body?.cancel();
    }
  });
});
