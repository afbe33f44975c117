import assert from "node:assert/strict";
import { SecurityHeaders } from "../../src/server/security_headers.ts";

function headersOf(
  kind: Parameters<SecurityHeaders["apply"]>[1],
  url: string,
  { own = {}, overTls = true, hsts = 60 as number | "silent" } = {},
): Record<string, string> {
  const security = new SecurityHeaders({
    hstsMaxAgeSeconds: hsts === "silent" ? undefined : hsts,
    webTransportUrl: (hostname) => `https://${hostname}:4433/rt/wt`,
  });
  const headers = new Headers(own);
  security.apply(headers, kind, new URL(url), overTls);
  return Object.fromEntries(headers);
}

Deno.test("a page's policy names its WebSocket and its WebTransport, as the client has them", () => {
  for (
    const [url, connect] of [
      ["https://game.example/arena", "wss://game.example https://game.example:4433"],
      ["https://game.example:8443/", "wss://game.example:8443 https://game.example:4433"],
      ["http://localhost:8080/", "ws://localhost:8080 https://localhost:4433"],
      ["http://[::1]:8080/", "ws://[::1]:8080 https://[::1]:4433"],
    ] as const
  ) {
    const policy = headersOf("page", url)["content-security-policy"]!;
    assert.ok(policy.includes(`; connect-src 'self' ${connect}; `), policy);
    assert.doesNotMatch(policy, /unsafe|\*|data:|blob:/);
  }
});

Deno.test("browsers are told to keep to https only over TLS that they can trust", () => {
  const told = (options: { overTls?: boolean; hsts?: number | "silent" }) =>
    headersOf("page", "https://game.example/", options)["strict-transport-security"];
  assert.equal(told({}), "max-age=60");
  assert.equal(told({ hsts: 0 }), "max-age=0");
  assert.equal(told({ hsts: "silent" }), undefined);
  assert.equal(told({ overTls: false }), undefined);
});

Deno.test("the app's response keeps what it says, and gets nothing but what is for the whole host", () => {
  const own = { "content-security-policy": "default-src 'self'", "cache-control": "max-age=9" };
  assert.deepEqual(headersOf("app", "https://game.example/", { own }), {
    ...own,
    "strict-transport-security": "max-age=60",
  });
  const said = { "strict-transport-security": "max-age=5; preload" };
  assert.deepEqual(headersOf("app", "https://game.example/", { own: said }), said);
});

Deno.test("the SDK is for pages of every origin, and nothing else of the server's is", () => {
  const resource = (kind: Parameters<typeof headersOf>[0]) =>
    headersOf(kind, "https://game.example/x")["cross-origin-resource-policy"];
  assert.equal(resource("sdk"), "cross-origin");
  assert.equal(resource("page"), "same-origin");
  assert.equal(resource("answer"), "same-origin");
});
