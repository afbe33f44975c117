import assert from "node:assert/strict";
import fc from "fast-check";
import { ClientAddresses } from "../../src/proxy/client_address.ts";
import type { ProxyOptions } from "../../src/proxy/options.ts";

const TRUSTED = ["10.0.0.0/8", "2001:db8:aaaa::/48", "127.0.0.1"];
const PROXY = "10.0.0.1";

function read(
  header: ProxyOptions["header"],
  headers: Record<string, string>,
  { peer = PROXY, over = "tcp", named, ...options }: {
    peer?: string;
    over?: "tcp" | "http3";
    named?: boolean | undefined;
  } & Partial<ProxyOptions> = {},
) {
  const addresses = new ClientAddresses({
    trusted: TRUSTED,
    ...(header !== undefined && { header }),
    ...options,
  });
  return addresses.of({ address: peer, named }, new Headers(headers), over);
}

/** `undefined`: nobody is named, the client is the proxy. */
const forwarded: [what: string, value: string, address: string | undefined, scheme?: string][] = [
  ["a plain address", "for=192.0.2.7", "192.0.2.7"],
  ["an address with a port", 'for="192.0.2.7:4711"', "192.0.2.7"],
  ["a port without the quotes", "for=192.0.2.7:4711", "192.0.2.7"],
  ["quoted IPv6", 'for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"],
  ["quoted IPv6 with a port", 'For="[2001:DB8:cafe::17]:4711"', "2001:db8:cafe::17"],
  ["IPv4 in IPv6", 'for="[::ffff:192.0.2.7]"', "192.0.2.7"],
  ["IPv4 in hexadecimal IPv6", 'for="[0:0:0:0:0:ffff:c000:207]"', "192.0.2.7"],
  ["IPv6 in full", 'for="[2001:0DB8:0:0:0:0:0:1]"', "2001:db8::1"],
  ["an obfuscated port", 'for="192.0.2.7:_x1"', "192.0.2.7"],
  ["escapes in quotes", 'for="192.0.2.\\7"', "192.0.2.7"],
  ["the scheme, in any case", "for=192.0.2.7;Proto=HTTPS", "192.0.2.7", "https"],
  ["every parameter", "by=10.0.0.1;host=a.example;proto=http;for=192.0.2.7", "192.0.2.7", "http"],
  ["an unknown parameter", 'for=192.0.2.7;secret="a,b;c\\"d"', "192.0.2.7"],
  ["empty parameters", ";for=192.0.2.7;;", "192.0.2.7"],
  ["empty elements", "for=192.0.2.7, ,", "192.0.2.7"],
  ["the right-most who is not trusted", "for=198.51.100.1, for=192.0.2.7", "192.0.2.7"],
  ["no trusted hop", "for=192.0.2.7, for=10.9.9.9, for=10.1.1.1", "192.0.2.7"],
  ["trusted IPv6", 'for=192.0.2.7, for="[2001:db8:aaaa::1]"', "192.0.2.7"],
  ["a client among the trusted", "for=10.0.0.77", "10.0.0.77"],
  [
    "the scheme at the hop of the client",
    "for=192.0.2.7;proto=https, for=10.1.1.1;proto=http",
    "192.0.2.7",
    "https",
  ],
  ["a stranger's open quote", 'for="198.51.100.1, for=192.0.2.7', "192.0.2.7"],
  ["a stranger's open quote before quotes", 'for="x, for="[2001:db8::1]:80"', "2001:db8::1"],
  ["a stranger's escape", 'for="x\\", for="192.0.2.7"', "192.0.2.7"],
  ["unknown", "for=unknown", undefined],
  ["unknown behind a trusted hop", "for=unknown, for=10.1.1.1", "10.1.1.1"],
  ["obfuscated", "for=_hidden", undefined],
  ["obfuscated with its scheme", "for=_hidden;proto=https", undefined, "https"],
  ["no for", "proto=https;by=10.0.0.1", undefined, "https"],
  ["garbage", '\u00ff=;;"', undefined],
  ["garbage behind a trusted hop", "for=192.0.2.7;for=192.0.2.8, for=10.1.1.1", "10.1.1.1"],
  ["a parameter twice", "for=192.0.2.7;for=192.0.2.8", undefined],
  ["space before the value", "for= 192.0.2.7", undefined],
  ["no IPv4", "for=192.0.2.300", undefined],
  ["short IPv4", "for=192.2", undefined],
  ["octal IPv4", "for=0300.0.2.7", undefined],
  ["IPv4 in brackets", 'for="[192.0.2.7]"', undefined],
  ["a name", "for=client.example", undefined],
  ["nothing", "", undefined],
  ["commas", ",,,,", undefined],
  ["an element without end", `for=192.0.2.7;x="${"a".repeat(5000)}"`, undefined],
  ["a long list of strangers", `${"for=198.51.100.1, ".repeat(5000)}for=192.0.2.7`, "192.0.2.7"],
];

for (const [what, value, address, scheme] of forwarded) {
  Deno.test(`Forwarded: ${what}`, () => {
    assert.deepEqual(read("forwarded", { forwarded: value }), {
      address: address ?? PROXY,
      exempt: address === undefined,
      scheme,
      local: false,
    });
  });
}

const listed: [what: string, value: string, address: string | undefined][] = [
  ["one address", "192.0.2.7", "192.0.2.7"],
  ["IPv6", "2001:db8::1", "2001:db8::1"],
  ["IPv6 in brackets with a port", "[2001:db8::1]:99", "2001:db8::1"],
  ["a port", "192.0.2.7:4711", "192.0.2.7"],
  ["the right-most who is not trusted", "198.51.100.1, 192.0.2.7,10.1.1.1", "192.0.2.7"],
  ["all trusted", "10.3.3.3, 10.2.2.2", "10.3.3.3"],
  ["unknown", "192.0.2.7, unknown", undefined],
  ["an empty element", "192.0.2.7, ", undefined],
  ["garbage", "<script>", undefined],
  ["garbage behind a trusted hop", "'; drop, 10.1.1.1", "10.1.1.1"],
  ["nothing", "", undefined],
  ["too long a hop", `192.0.2.7${" ".repeat(5000)}`.trimEnd() + "x".repeat(5000), undefined],
  ["more hops than anybody has", `192.0.2.7${", 10.1.1.1".repeat(300)}`, "10.1.1.1"],
];

for (const [what, value, address] of listed) {
  Deno.test(`X-Forwarded-For: ${what}`, () => {
    const sender = read("x-forwarded-for", { "x-forwarded-for": value });
    assert.deepEqual([sender.address, sender.exempt], [
      address ?? PROXY,
      address === undefined,
    ]);
  });
}

for (
  const [list, protos, scheme] of [
    ["192.0.2.7", "https", "https"],
    ["192.0.2.7, 10.1.1.1", "https", "https"],
    ["192.0.2.7, 10.1.1.1", "https, http", "https"],
    ["198.51.100.1, 192.0.2.7", "https, http", "http"],
    ["", "https", "https"],
    ["192.0.2.7", "gopher", undefined],
    ["192.0.2.7", "", undefined],
  ] as const
) {
  Deno.test(`X-Forwarded-Proto: ${protos || "nothing"} for ${list || "nobody"}`, () => {
    const headers = { "x-forwarded-for": list, "x-forwarded-proto": protos };
    assert.equal(read("x-forwarded-for", headers).scheme, scheme);
  });
}

Deno.test("what a peer says that is no trusted proxy is not looked at", () => {
  for (const header of ["forwarded", "x-forwarded-for"] as const) {
    const headers = { forwarded: "for=192.0.2.7;proto=https", "x-forwarded-for": "192.0.2.7" };
    const sender = read(header, headers, { peer: "203.0.113.5" });
    assert.deepEqual(sender, {
      address: "203.0.113.5",
      exempt: false,
      scheme: undefined,
      local: false,
    });
  }
});

Deno.test("only the header that was named is looked at", () => {
  const headers = { forwarded: "for=192.0.2.7", "x-forwarded-for": "192.0.2.8" };
  assert.equal(read("forwarded", headers).address, "192.0.2.7");
  assert.equal(read("x-forwarded-for", headers).address, "192.0.2.8");
  assert.equal(read(undefined, headers).address, PROXY);
});

Deno.test("over HTTP/3 the header counts only where the options say so", () => {
  const headers = { forwarded: "for=192.0.2.7" };
  const passedOn = read("forwarded", headers, { over: "http3" });
  assert.deepEqual([passedOn.address, passedOn.exempt], [PROXY, true]);
  const spoken = read("forwarded", headers, { over: "http3", headerOverHttp3: true });
  assert.deepEqual([spoken.address, spoken.exempt], ["192.0.2.7", false]);
});

Deno.test("whom the PROXY protocol named is exempt from nothing, be it among the trusted", () => {
  assert.equal(read(undefined, {}, { named: true }).exempt, false);
  assert.equal(read(undefined, {}).exempt, true);
});

Deno.test("of a balancer that names nobody by the PROXY protocol no header is read: it is a stranger's", () => {
  const sender = read("forwarded", { forwarded: "for=192.0.2.1" }, { named: false });
  assert.deepEqual([sender.address, sender.exempt], [PROXY, true]);
});

Deno.test("the header of a proxy that the PROXY protocol names is read", () => {
  const sender = read("forwarded", { forwarded: "for=192.0.2.1" }, { named: true });
  assert.deepEqual([sender.address, sender.exempt], ["192.0.2.1", false]);
});

Deno.test("a program on this machine is local unless a proxy may stand before it", () => {
  const local = (headers: Record<string, string>, peer: string, trusted: string[] = []) =>
    read(undefined, headers, { peer, trusted }).local;
  assert.ok(local({}, "127.0.0.1"));
  assert.ok(local({}, "127.8.8.8"));
  assert.ok(local({}, "::1"));
  assert.ok(local({}, "::ffff:127.0.0.1"));
  assert.ok(!local({}, "192.0.2.1"));
  for (const name of ["forwarded", "x-forwarded-for", "via"]) {
    assert.ok(!local({ [name]: "for=127.0.0.1" }, "127.0.0.1"), name);
  }
  assert.ok(!local({}, "127.0.0.1", ["127.0.0.1"]));
});

Deno.test("no header makes it throw, take long or believe an address that is none", () => {
  const header = fc.string({
    unit: fc.constantFrom(...'for=192.0.2.7;,"[]:_\\ 10.proto='.split("")),
  });
  fc.assert(
    fc.property(header, (left) => {
      const names = ["forwarded", "x-forwarded-for"] as const;
      for (const name of names) {
        const { address } = read(name, { [name]: left });
        assert.match(address, /^[0-9a-f.:]+$/);
        // Whatever a stranger wrote before it, the nearest proxy is heard.
        const own = name === "forwarded" ? "for=192.0.2.99" : "192.0.2.99";
        assert.equal(read(name, { [name]: `${left}, ${own}` }).address, "192.0.2.99");
      }
    }),
    { seed: 1, numRuns: 1000 },
  );
});

for (
  const range of [
    "10.0.0.0/33",
    "::/129",
    "localhost",
    "10.0.0",
    "",
    "10.0.0.1/",
    "1.2.3.4/8/8",
    "fe80::1%eth0",
  ]
) {
  Deno.test(`${JSON.stringify(range)} is refused as a trusted address`, () => {
    assert.throws(() => new ClientAddresses({ trusted: [range] }), RangeError);
  });
}
