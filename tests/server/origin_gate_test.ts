import assert from "node:assert/strict";
import { type OriginOptions, OriginPolicy } from "../../src/policy/origin.ts";
import { OriginGate } from "../../src/server/origin_gate.ts";
import { RefusalLog } from "../../src/server/refusal_log.ts";
import { FakeClock } from "../fake_clock.ts";

const URL_HERE = new URL("https://game.example/rt/sse");

function setUp(options: OriginOptions = {}) {
  const lines: string[] = [];
  const log = new RefusalLog(
    ({ level, message }) => lines.push(`${level}: ${message}`),
    new FakeClock(),
  );
  return { gate: new OriginGate(new OriginPolicy(options), log), lines };
}

function check(headers: HeadersInit, options: OriginOptions = {}, url = URL_HERE) {
  return setUp(options).gate.check(new Headers(headers), url);
}

Deno.test("OriginGate lets the page of the URL itself in, and says which it was", () => {
  assert.deepEqual(check({ origin: "https://game.example" }), {
    allowed: true,
    origin: "https://game.example",
  });
});

Deno.test("OriginGate takes the word of Sec-Fetch-Site where there is no Origin, and of nothing else", () => {
  assert.equal(check({ "sec-fetch-site": "same-origin" }).allowed, true);
  for (const site of ["same-site", "cross-site", "none"]) {
    assert.equal(check({ "sec-fetch-site": site }).allowed, false, site);
  }
  const both = { origin: "https://evil.example", "sec-fetch-site": "same-origin" };
  assert.equal(check(both).allowed, false);
});

Deno.test("OriginGate lets no name that was pointed at this server vouch for itself", () => {
  const rebound = new URL("http://evil.example:8080/rt/sse");
  assert.equal(check({ "sec-fetch-site": "same-origin" }, {}, rebound).allowed, false);
  assert.equal(check({ origin: "http://evil.example:8080" }, {}, rebound).allowed, false);
});

for (
  const [headers, explanation] of [
    [{}, "Origin refused: the request has none; the server's origins.allowMissing would let it in"],
    [
      { origin: "null" },
      "Origin refused: it is null; the server's origins.allowNull would let it in",
    ],
    [
      { origin: "evil" },
      'Origin refused: expected a scheme, a host and perhaps a port: "evil"',
    ],
    [
      { origin: "https://evil.example" },
      'Origin refused: "https://evil.example" is neither the server\'s own nor in its origins.allow',
    ],
  ] as const
) {
  Deno.test(`OriginGate explains why it refuses ${JSON.stringify(headers)}`, () => {
    const passage = check(headers);
    assert.equal(!passage.allowed && passage.explanation, explanation);
  });
}

Deno.test("OriginGate repeats no more of an Origin than a log line bears", () => {
  const passage = check({ origin: `https://${"a".repeat(5000)}` });
  assert.ok(!passage.allowed && passage.explanation.length < 300);
});

Deno.test("OriginGate escapes in an explanation whatever could steer a terminal", () => {
  const passage = check({ origin: "https://\u009b2J\u00e9\x7f" });
  assert.ok(!passage.allowed);
  assert.match(passage.explanation, /: "https:\/\/\\u009b2J\\u00e9\\u007f"$/);
});

Deno.test("OriginGate counts refusals by why, and logs each with the origin and the path", () => {
  const { gate, lines } = setUp({ allow: ["https://shop.example"] });
  for (
    const origin of [undefined, "null", "evil", "https://evil.example", "https://shop.example"]
  ) {
    const headers = new Headers(origin === undefined ? {} : { origin });
    gate.judge(headers, URL_HERE);
    gate.check(headers, URL_HERE);
  }
  gate.check(new Headers({ origin: "null" }), new URL("https://game.example/rt/send"));
  assert.deepEqual(gate.refusals, { missing: 1, null: 2, malformed: 1, "not allowed": 1 });
  assert.deepEqual(lines, [
    "warn: Origin refused: the request has none; the server's origins.allowMissing would let it in (/rt/sse)",
    "warn: Origin refused: it is null; the server's origins.allowNull would let it in (/rt/sse)",
    'warn: Origin refused: expected a scheme, a host and perhaps a port: "evil" (/rt/sse)',
    'warn: Origin refused: "https://evil.example" is neither the server\'s own nor in its origins.allow (/rt/sse)',
    "warn: Origin refused: it is null; the server's origins.allowNull would let it in (/rt/send)",
  ]);
});
