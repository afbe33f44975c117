import assert from "node:assert/strict";
import fc from "fast-check";
import { ProxyProtocolError, readProxyHeader } from "../../src/proxy/proxy_protocol.ts";
import { concat } from "../bytes.ts";

const encoder = new TextEncoder();
const SIGNATURE = Uint8Array.fromHex("0d0a0d0a000d0a515549540a");

function v2(command: number, family: number, rest: Uint8Array): Uint8Array {
  const head = Uint8Array.of(command, family, rest.length >> 8, rest.length & 0xff);
  return concat(SIGNATURE, head, rest);
}

const TCP4 = Uint8Array.of(192, 0, 2, 7, 10, 0, 0, 1, 0x10, 0, 0x11, 0x51);
const TCP6 = concat(
  Uint8Array.fromHex("20010db8000000000000000000000017"),
  Uint8Array.fromHex("20010db8000000000000000000000001"),
  Uint8Array.of(0x10, 0, 0x11, 0x51),
);
const extension = (type: number, value: Uint8Array) =>
  concat(Uint8Array.of(type, value.length >> 8, value.length & 0xff), value);

const whole: [what: string, header: Uint8Array, source: string | undefined][] = [
  ["v1 of IPv4", encoder.encode("PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"), "192.0.2.7"],
  ["v1 of IPv6", encoder.encode("PROXY TCP6 2001:db8::7 ::1 1 0\r\n"), "2001:db8::7"],
  ["v1 that knows nothing", encoder.encode("PROXY UNKNOWN\r\n"), undefined],
  [
    "v1 that knows nothing, at its longest",
    encoder.encode(`PROXY UNKNOWN ${"ffff:".repeat(15)}ffff 65535 65535\r\n`),
    undefined,
  ],
  ["v2 of IPv4", v2(0x21, 0x11, TCP4), "192.0.2.7"],
  ["v2 of IPv6", v2(0x21, 0x21, TCP6), "2001:db8:0:0:0:0:0:17"],
  [
    "v2 with extensions",
    v2(
      0x21,
      0x11,
      concat(
        TCP4,
        extension(0x02, encoder.encode("game.example")),
        extension(4, new Uint8Array(9)),
      ),
    ),
    "192.0.2.7",
  ],
  ["v2 of a health check", v2(0x20, 0x00, new Uint8Array(0)), undefined],
  ["v2 of a health check with addresses", v2(0x20, 0x11, TCP4), undefined],
  ["v2 of no family", v2(0x21, 0x00, new Uint8Array(7)), undefined],
  ["v2 of UDP", v2(0x21, 0x12, TCP4), undefined],
  ["v2 of a Unix socket", v2(0x21, 0x31, new Uint8Array(216)), undefined],
];

for (const [what, header, source] of whole) {
  Deno.test(`readProxyHeader() reads ${what}, however it is cut, and no further`, () => {
    for (let length = 0; length < header.length; length++) {
      assert.equal(readProxyHeader(header.subarray(0, length)), undefined, `${length} bytes`);
    }
    const expected = { length: header.length, source };
    assert.deepEqual(readProxyHeader(header), expected);
    assert.deepEqual(readProxyHeader(concat(header, Uint8Array.of(22, 3, 1))), expected);
  });
}

const wrong: [what: string, bytes: Uint8Array][] = [
  ["TLS", Uint8Array.of(22, 3, 1, 2)],
  ["HTTP", encoder.encode("GET / HTTP/1.1\r\n")],
  ["half a signature", encoder.encode("PROXZ")],
  ["a lower case one", encoder.encode("proxy TCP4")],
  ["a line without end", encoder.encode(`PROXY UNKNOWN ${"a".repeat(93)}`)],
  ["no family", encoder.encode("PROXY \r\n")],
  ["UDP", encoder.encode("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n")],
  ["IPv6 for IPv4", encoder.encode("PROXY TCP4 ::1 ::1 1 2\r\n")],
  ["a port too large", encoder.encode("PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n")],
  ["a port with a zero", encoder.encode("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n")],
  ["too few words", encoder.encode("PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n")],
  ["too many words", encoder.encode("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n")],
  ["two spaces", encoder.encode("PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n")],
  ["version 3", v2(0x31, 0x11, TCP4)],
  ["an unknown command", v2(0x22, 0x11, TCP4)],
  ["half the addresses", v2(0x21, 0x11, TCP4.subarray(0, 11))],
  ["half an extension", v2(0x21, 0x11, concat(TCP4, Uint8Array.of(4, 0, 9, 1)))],
  ["half an extension's head", v2(0x21, 0x11, concat(TCP4, Uint8Array.of(4, 0)))],
  ["a checksum that does not fit", v2(0x21, 0x11, concat(TCP4, extension(3, new Uint8Array(4))))],
  ["a checksum of another size", v2(0x21, 0x11, concat(TCP4, extension(3, new Uint8Array(2))))],
  ["a header too large", v2(0x21, 0x11, new Uint8Array(5000)).subarray(0, 16)],
];

for (const [what, bytes] of wrong) {
  Deno.test(`readProxyHeader() refuses ${what}`, () => {
    assert.throws(() => readProxyHeader(bytes), ProxyProtocolError);
  });
}

Deno.test("readProxyHeader() takes a checksum that fits", () => {
  // Computed apart by a table, whose check value (of "123456789") is e3069283.
  const header = v2(0x21, 0x11, concat(TCP4, extension(3, Uint8Array.fromHex("48523566"))));
  assert.equal(readProxyHeader(header)?.source, "192.0.2.7");
  header[16]!++;
  assert.throws(() => readProxyHeader(header), /checksum/);
});

Deno.test("readProxyHeader() throws nothing else, whatever comes", () => {
  const start = fc.constantFrom(
    SIGNATURE,
    concat(SIGNATURE, Uint8Array.of(0x21, 0x11)),
    encoder.encode("PROXY TCP"),
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
      try {
        const header = readProxyHeader(concat(head, tail));
        assert.ok(header === undefined || header.length <= head.length + tail.length);
      } catch (error) {
        if (!(error instanceof ProxyProtocolError)) throw error;
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
});
