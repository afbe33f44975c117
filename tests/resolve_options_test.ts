import assert from "node:assert/strict";
import { NAMESPACE_DEFAULTS, SESSION_DEFAULTS } from "../src/options.ts";
import { resolveOptions } from "../src/resolve_options.ts";

const WEBHOOKS = {
  url: "https://hooks.example.com/",
  secrets: ["a-secret-of-at-least-32-characters"],
  events: ["connect"],
} as const;

const CERTIFICATE = { certFile: "chain.pem", keyFile: "key.pem" };

Deno.test("resolveOptions() needs to be told nothing", () => {
  const options = resolveOptions();
  assert.equal(options.hostname, "localhost");
  assert.equal(options.port, 4433);
  assert.equal(options.developmentPort, 8080);
  assert.deepEqual(options.tls, { developmentFolder: "certs" });
  assert.deepEqual(options.session, SESSION_DEFAULTS);
});

Deno.test("resolveOptions() leaves development mode when there is a certificate", () => {
  const options = resolveOptions({ tls: CERTIFICATE });
  assert.equal(options.hostname, "::");
  assert.equal(options.developmentPort, false);
  assert.deepEqual(options.tls, { ...CERTIFICATE, reloadIntervalMs: 10_000 });
});

Deno.test("resolveOptions() completes each namespace, and takes undefined for silence", () => {
  const { namespaces } = resolveOptions({
    // deno-lint-ignore no-explicit-any -- a JavaScript caller may do so
    namespaces: { chat: { presence: true, historySize: undefined as any } },
  });
  assert.deepEqual(namespaces, { chat: { ...NAMESPACE_DEFAULTS, presence: true } });
});

for (
  const [options, lines] of [
    [{ prot: 1 }, ["prot: unknown option"]],
    [{ hostname: "", port: "80" }, [
      'hostname: expected a name or address, got ""',
      'port: expected a port number, got "80"',
    ]],
    [{ port: 65_536 }, ["port: expected a port, 0 to 65535, got 65536"]],
    [{ namespaces: { game: { delivery: "fast", speed: 1 } } }, [
      'namespaces.game.delivery: expected "ordered" or "latest", got "fast"',
      "namespaces.game.speed: unknown option",
    ]],
    [{ namespaces: { "a:b": {} } }, [
      'namespaces.a:b: expected a name without colon or whitespace, and no $ in front, got "a:b"',
    ]],
    [{ tls: { certFile: "chain.pem" } }, [
      "tls: expected { certFile, keyFile }, { cert, key } in PEM, or { developmentFolder }, " +
      "got { certFile }",
    ]],
    [{ tls: { ...CERTIFICATE, cert: "-----BEGIN" } }, [
      "tls: expected { certFile, keyFile }, { cert, key } in PEM, or { developmentFolder }, " +
      "got { certFile, keyFile, cert }",
    ]],
    [{ tls: { cert: "-----BEGIN", key: "secret" } }, [
      "tls.key: expected a text in PEM (-----BEGIN …), got another text",
    ]],
    [{ webhooks: { url: "http://hooks.example.com/", secrets: ["short"], events: ["conect"] } }, [
      "webhooks.secrets.0: expected keys of 32 characters or more, got another text",
      "webhooks.events.0: expected one of connect, subscribe, publish, rpc, disconnect, " +
      'got "conect"',
    ]],
    [{ webhooks: { ...WEBHOOKS, url: "http://hooks.example.com/" } }, [
      "webhooks.url: a URL of https, or of http in a private network: anybody on the way could " +
      "read what clients do (allowHttp lets it be)",
    ]],
    [{ webhooks: { ...WEBHOOKS, url: "https://user:pass@hooks.example.com/" } }, [
      "webhooks.url: expected a URL without a name or password: requests are signed, got another text",
    ]],
    [{ webhooks: { ...WEBHOOKS, url: "ftp://10.0.0.5/" } }, [
      "webhooks.url: expected a URL of https or http, got another text",
    ]],
    [{ webhooks: { ...WEBHOOKS, namespaces: ["chat", "caht"] }, namespaces: { chat: {} } }, [
      "webhooks.namespaces: not all of them are in namespaces",
    ]],
    [{ webhooks: { ...WEBHOOKS, timeoutMs: 5000 } }, [
      "webhooks.timeoutMs: less than session.hookTimeoutMs, which would end it first",
    ]],
    [{ webhooks: WEBHOOKS, session: { hookTimeoutMs: 3000 } }, [
      "webhooks.timeoutMs: less than session.hookTimeoutMs, which would end it first",
    ]],
    [{ proxies: { trusted: ["10.0.0.0/33"], header: "x-real-ip" } }, [
      'proxies.trusted: A trusted address must be like "10.0.0.5", "10.0.0.0/8" or ' +
      '"2001:db8::/32": "10.0.0.0/33"',
      'proxies.header: expected "forwarded" or "x-forwarded-for", got "x-real-ip"',
    ]],
    [{ publicAddress: { hostname: "a/b", port: 0 }, hstsMaxAgeSeconds: -1 }, [
      'publicAddress.hostname: expected a name or address, got "a/b"',
      "publicAddress.port: expected a port, 1 to 65535, got 0",
      "hstsMaxAgeSeconds: expected 0 or more, got -1",
    ]],
    [{ redis: {} }, ["redis: expected one of url, urls, sentinels and cluster, got {  }"]],
    [{ redis: { url: "http://user:secret@host" } }, [
      "redis.url: expected redis://host:port or rediss://host:port, got another text",
    ]],
    [{ tls: CERTIFICATE, developmentPort: 8080 }, [
      "developmentPort: no port beside a certificate: it is for development mode",
    ]],
    [{ origins: { allow: ["example.com"] } }, [
      'origins: An allowed origin must be like "https://example.com", "https://*.example.com" or ' +
      '"*" (for null, see allowNull): "example.com"',
    ]],
    [{ admission: { ratePerSecond: 0 } }, [
      "admission: A token bucket needs a ratePerSecond above 0: 0",
    ]],
    [{ session: { maxQueueBytes: 1024 } }, [
      "session: expected highWaterBytes of at most maxQueueBytes, got { maxQueueBytes }",
    ]],
    [{ session: { byteBurst: 1024 } }, [
      "session: expected maxMessageBytes of at most byteBurst, got { byteBurst }",
    ]],
    [{ limits: { user: { maxSessions: 0 }, session: {} } }, [
      "limits.user.maxSessions: expected 1 or more, got 0",
      "limits.session: unknown option",
    ]],
    [{ heartbeat: { intervalMs: 5 } }, [
      "heartbeat.intervalMs: expected 0, or 1000 milliseconds or more, got 5",
    ]],
    [{ webtransport: { maxConnections: -1, clock: {} } }, [
      "webtransport.maxConnections: expected 0 or more, got -1",
      "webtransport.clock: unknown option",
    ]],
    [{ log: "stderr" }, ['log: expected a function, got "stderr"']],
  ] as const
) {
  Deno.test(`resolveOptions() refuses ${JSON.stringify(options)}, naming each mistake`, () => {
    // deno-lint-ignore no-explicit-any -- what no type lets through
    assert.throws(() => resolveOptions(options as any), {
      name: "TypeError",
      message: `Invalid options\n${lines.map((line) => `  ${line}`).join("\n")}`,
    });
  });
}

Deno.test("resolveOptions() lets webhooks go in the clear within a private network, or where told so", () => {
  const urls = [
    "http://localhost:3000/hooks",
    "http://backend/hooks",
    "http://127.0.0.1/",
    "http://10.1.2.3/",
    "http://172.31.0.1/",
    "http://192.168.0.1/",
    "http://[::1]/",
    "http://[fd00::1]/",
    "http://backend.internal/",
  ];
  for (const url of urls) {
    assert.equal(resolveOptions({ webhooks: { ...WEBHOOKS, url } }).webhooks?.url, url);
  }
  for (const url of ["http://172.32.0.1/", "http://11.0.0.1/", "http://[2001:db8::1]/"]) {
    assert.throws(() => resolveOptions({ webhooks: { ...WEBHOOKS, url } }), /private network/, url);
    resolveOptions({ webhooks: { ...WEBHOOKS, url, allowHttp: true } });
  }
});

Deno.test("resolveOptions() lets a webhook take any time where hooks may", () => {
  const { webhooks } = resolveOptions({
    webhooks: { ...WEBHOOKS, timeoutMs: 60_000 },
    session: { hookTimeoutMs: 0 },
  });
  assert.equal(webhooks?.timeoutMs, 60_000);
  assert.equal(webhooks?.onFailure, "refuse");
});
