import assert from "node:assert/strict";
import fc from "fast-check";
import { normalizeOrigin, type OriginOptions, OriginPolicy } from "../../src/policy/origin.ts";

const here = { scheme: "https", authority: "app.example.com" };

interface Case {
  name: string;
  options?: OriginOptions;
  own?: string[];
  target?: { scheme: string; authority: string };
  allowed: (string | undefined)[];
  refused: [origin: string | undefined, reason: string][];
}

const cases: Case[] = [
  {
    name: "by default allows the request's own origin alone",
    allowed: [
      "https://app.example.com",
      "https://app.example.com:443",
      "HTTPS://APP.Example.COM",
      "https://app.example.com.",
    ],
    refused: [
      [undefined, "missing"],
      ["null", "null"],
      ["http://app.example.com", "not allowed"],
      ["https://app.example.com:8443", "not allowed"],
      ["https://example.com", "not allowed"],
      ["https://app.example.com.evil.com", "not allowed"],
      ["https://evil.com", "not allowed"],
    ],
  },
  {
    name: "compares a port that the authority has",
    target: { scheme: "https", authority: "localhost:4433" },
    allowed: ["https://localhost:4433"],
    refused: [["https://localhost", "not allowed"], ["https://localhost:4434", "not allowed"]],
  },
  {
    name: "drops a default port from the authority",
    target: { scheme: "https", authority: "App.example.com:443" },
    allowed: ["https://app.example.com"],
    refused: [],
  },
  {
    name: "drops a default port only of its own scheme",
    target: { scheme: "https", authority: "app.example.com" },
    options: { allow: ["http://plain.example:80"] },
    allowed: ["http://plain.example", "http://plain.example:80", "https://app.example.com:0443"],
    refused: [
      ["https://app.example.com:80", "not allowed"],
      ["http://app.example.com:443", "not allowed"],
      ["http://plain.example:443", "not allowed"],
      ["https://plain.example", "not allowed"],
      ["wss://app.example.com", "not allowed"],
    ],
  },
  {
    name: "takes no neighbour of an allowed host for it",
    options: { allow: ["https://example.com", "https://*.example.com"] },
    allowed: ["https://example.com", "https://www.example.com", "https://example.com."],
    refused: [
      ["https://evil-example.com", "not allowed"],
      ["https://evilexample.com", "not allowed"],
      ["https://example.com.evil.com", "not allowed"],
      ["https://www.example.com.evil.com", "not allowed"],
      ["https://example.com-evil.com", "not allowed"],
      ["https://example.com..", "not allowed"],
      ["https://www.example.co", "not allowed"],
      ["https://wwwexample.com", "not allowed"],
      ["https://example.org", "not allowed"],
      // A letter of another script that looks like the Latin one.
      ["https://ex\u0430mple.com", "not allowed"],
      ["https://xn--exmple-4nf.com", "not allowed"],
      // Half of the origin in the part that names a user.
      ["https://example.com:443@evil.com", "malformed"],
      ["https://example.com%2eevil.com", "not allowed"],
      ["https://example.com%00.evil.com", "malformed"],
    ],
  },
  {
    name: "takes a full-width or capital spelling of an allowed host for it, as browsers do",
    options: { allow: ["https://example.com"] },
    allowed: ["https://\uff45xample.com", "https://example\u3002com", "https://EXAMPLE.com"],
    refused: [],
  },
  {
    name: "compares IPv4 addresses in any spelling",
    target: { scheme: "http", authority: "127.0.0.1:8080" },
    allowed: ["http://127.1:8080", "http://0x7f.0.0.1:8080", "http://2130706433:8080"],
    refused: [["http://127.0.0.2:8080", "not allowed"], ["http://localhost:8080", "not allowed"]],
  },
  {
    name: "tells an IPv4 address from the IPv6 address that contains it",
    target: { scheme: "http", authority: "[::ffff:127.0.0.1]:8080" },
    allowed: ["http://[::ffff:7f00:1]:8080"],
    refused: [["http://127.0.0.1:8080", "not allowed"], ["http://[::1%25lo]:8080", "malformed"]],
  },
  {
    name: "compares IPv6 addresses in any spelling",
    target: { scheme: "https", authority: "[0:0::1]:4433" },
    allowed: ["https://[::1]:4433", "https://[0:0:0:0:0:0:0:1]:4433"],
    refused: [["https://[::2]:4433", "not allowed"], ["https://::1:4433", "malformed"]],
  },
  {
    name: "reaches one server under its two origins",
    own: ["https://localhost:4433", "http://localhost:8080"],
    target: { scheme: "https", authority: "localhost:4433" },
    allowed: ["https://localhost:4433", "http://localhost:8080"],
    refused: [["http://localhost:8081", "not allowed"], ["http://127.0.0.1:8080", "not allowed"]],
  },
  {
    name: "trusts a plain-http authority that no name can be pointed at",
    target: { scheme: "http", authority: "127.0.0.1:8080" },
    allowed: ["http://127.0.0.1:8080"],
    refused: [],
  },
  {
    name: "trusts a plain-http localhost",
    target: { scheme: "http", authority: "localhost:8080" },
    allowed: ["http://localhost:8080"],
    refused: [],
  },
  {
    name: "trusts a plain-http IPv6 address",
    target: { scheme: "http", authority: "[::1]:8080" },
    allowed: ["http://[::1]:8080"],
    refused: [],
  },
  {
    name: "does not trust a plain-http name, which may be rebound",
    target: { scheme: "http", authority: "evil.com:8080" },
    allowed: [],
    refused: [["http://evil.com:8080", "not allowed"]],
  },
  {
    name: "allows a plain-http name that is listed",
    options: { allow: ["http://games.lan:8080"] },
    target: { scheme: "http", authority: "games.lan:8080" },
    allowed: ["http://games.lan:8080"],
    refused: [],
  },
  {
    name: "has no own origin for a broken authority",
    target: { scheme: "https", authority: "app.example.com/x" },
    allowed: [],
    refused: [["https://app.example.com", "not allowed"]],
  },
  {
    name: "allows exact origins",
    options: { allow: ["https://Shop.example.com:443", "https://pay.example.com:8443"] },
    allowed: ["https://shop.example.com", "https://pay.example.com:8443"],
    refused: [
      ["https://pay.example.com", "not allowed"],
      ["http://shop.example.com", "not allowed"],
      ["https://sub.shop.example.com", "not allowed"],
    ],
  },
  {
    name: "allows subdomains at any depth by a wildcard, not the apex",
    options: { allow: ["https://*.example.org"] },
    allowed: [
      "https://a.example.org",
      "https://a.b.c.example.org",
      "https://A.EXAMPLE.ORG:443",
      "https://a.example.org.",
    ],
    refused: [
      ["https://example.org", "not allowed"],
      ["https://.example.org", "not allowed"],
      ["https://evil-example.org", "not allowed"],
      ["https://evilexample.org", "not allowed"],
      ["https://a.example.org.evil.com", "not allowed"],
      ["http://a.example.org", "not allowed"],
      ["https://a.example.org:8443", "not allowed"],
      ["https://evil.com/.example.org", "malformed"],
      ["https://evil.com#.example.org", "malformed"],
      ["https://evil.com\\.example.org", "malformed"],
      ["https://evil.com@a.example.org", "malformed"],
    ],
  },
  {
    name: "keeps a wildcard to its port",
    options: { allow: ["https://*.example.org:8443"] },
    allowed: ["https://a.example.org:8443"],
    refused: [
      ["https://a.example.org", "not allowed"],
      ["https://a.example.org:18443", "not allowed"],
    ],
  },
  {
    name: "compares Unicode and Punycode names as one",
    options: { allow: ["https://bücher.example", "https://*.Straße.example"] },
    allowed: [
      "https://xn--bcher-kva.example",
      "https://bücher.example",
      "https://a.xn--strae-oqa.example",
    ],
    refused: [["https://bucher.example", "not allowed"]],
  },
  {
    name: "allows a browser extension by its exact origin",
    options: { allow: ["chrome-extension://abcdefghijklmnop"] },
    allowed: ["chrome-extension://abcdefghijklmnop"],
    refused: [["chrome-extension://ponmlkjihgfedcba", "not allowed"]],
  },
  {
    name: 'allows any origin by "*", which is neither null nor missing',
    options: { allow: ["*"] },
    allowed: ["https://anything.test", "http://evil.com:1234"],
    refused: [[undefined, "missing"], ["null", "null"], ["", "malformed"], ["what", "malformed"]],
  },
  {
    name: "allows null alone by allowNull",
    options: { allowNull: true },
    allowed: ["null"],
    refused: [[undefined, "missing"], ["NULL", "malformed"], ["https://evil.com", "not allowed"]],
  },
  {
    name: "allows a missing origin alone by allowMissing",
    options: { allowMissing: true },
    allowed: [undefined],
    refused: [["", "malformed"], ["null", "null"], ["https://evil.com", "not allowed"]],
  },
  {
    name: "refuses what is not exactly one origin",
    allowed: [],
    refused: [
      "https://app.example.com/",
      "https://app.example.com/path",
      "https://app.example.com?query",
      "https://user@app.example.com",
      " https://app.example.com",
      "https://app.example.com https://evil.com",
      "https://app.example.com, https://evil.com",
      "https://app.example.com:port",
      "https://app.example.com:99999",
      "https:app.example.com",
      "//app.example.com",
      "app.example.com",
      "https://",
      "https://*.example.com",
      "https://[::1",
      "https://.",
    ].map((origin) => [origin, "malformed"]),
  },
];

for (const { name, options, own, target = here, allowed, refused } of cases) {
  Deno.test(`OriginPolicy ${name}`, () => {
    const policy = new OriginPolicy(options, own);
    for (const origin of allowed) {
      assert.deepEqual(policy.decide(origin, target), { allowed: true }, origin);
    }
    for (const [origin, reason] of refused) {
      assert.deepEqual(policy.decide(origin, target), { allowed: false, reason }, `${origin}`);
    }
  });
}

for (
  const pattern of [
    "",
    "null",
    "example.com",
    "*.example.com",
    "https://",
    "https://*",
    "https://*:8443",
    "https://*.",
    "https://*.:8443",
    "https://*..example.com",
    "https://*.*.example.com",
    "https://a.*.example.com",
    "https://a*.example.com",
    "https://*.192.0.2.1",
    "https://example.com/",
    "https://example.com/path",
    "https://*.example.com/path",
    "https://user@example.com",
    "https://example.com:99999",
    "https://exa mple.com",
    "**",
  ]
) {
  Deno.test(`OriginPolicy refuses the pattern ${JSON.stringify(pattern)} and says what it got`, () => {
    const says = (error: unknown) =>
      error instanceof RangeError && error.message.endsWith(`: ${JSON.stringify(pattern)}`) &&
      error.message.includes("https://*.example.com");
    assert.throws(() => new OriginPolicy({ allow: [pattern] }), says);
    assert.throws(() => new OriginPolicy({}, [pattern]), says);
  });
}

Deno.test("OriginPolicy takes no wildcard for an own origin", () => {
  assert.throws(() => new OriginPolicy({}, ["https://*.example.com"]), RangeError);
  assert.throws(() => new OriginPolicy({}, ["*"]), RangeError);
});

const domain = fc.domain();

Deno.test("a wildcard allows every subdomain of its own and of no other domain", () => {
  fc.assert(
    fc.property(domain, domain, fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/), (own, other, label) => {
      const policy = new OriginPolicy({ allow: [`https://*.${own}`] });
      const allows = (host: string) => policy.decide(`https://${host}`, here).allowed;
      assert.ok(allows(`${label}.${own}`));
      assert.ok(!allows(own));
      assert.ok(!allows(`${label}${own}`) || `${label}${own}`.endsWith(`.${own}`));
      assert.equal(allows(`${label}.${own}.${other}`), `.${other}`.endsWith(`.${own}`));
      assert.equal(allows(other), other.endsWith(`.${own}`));
    }),
    { seed: 11, numRuns: 200 },
  );
});

Deno.test("decide() takes any text and allows none of it by chance", () => {
  const policy = new OriginPolicy({ allow: ["https://*.example.org", "https://example.org"] });
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.webUrl()), (text) => {
      assert.equal(policy.decide(text, here).allowed, false);
    }),
    { seed: 12, numRuns: 500 },
  );
});

Deno.test("normalizeOrigin() leaves a normal origin as it is", () => {
  fc.assert(
    fc.property(domain, fc.integer({ min: 1, max: 65535 }), (host, port) => {
      const once = normalizeOrigin(`https://${host}:${port}`);
      assert.ok(once !== undefined);
      assert.equal(normalizeOrigin(once), once);
    }),
    { seed: 13, numRuns: 200 },
  );
});
