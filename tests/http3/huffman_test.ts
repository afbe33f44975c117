import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import { decodeHuffman, encodeHuffman, huffmanLength } from "../../src/http3/huffman.ts";
import { hex } from "../bytes.ts";

/** The Huffman strings of RFC 7541 C.4 and C.6. */
const VECTORS = [
  ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
  ["a8eb10649cbf", "no-cache"],
  ["25a849e95ba97d7f", "custom-key"],
  ["25a849e95bb8e8b4bf", "custom-value"],
  ["6402", "302"],
  ["aec3771a4b", "private"],
  ["d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
  ["640eff", "307"],
  ["d07abe941054d444a8200595040b8166e084a62d1bff", "Mon, 21 Oct 2013 20:13:22 GMT"],
  ["9bd9ab", "gzip"],
  [
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ],
] as const;

function encode(text: string): Uint8Array {
  const target: number[] = [];
  encodeHuffman(text, target);
  return Uint8Array.from(target);
}

function isFailure(error: unknown): boolean {
  return error instanceof Http3Error && error.code === ErrorCode.QPACK_DECOMPRESSION_FAILED &&
    error.scope === "connection";
}

for (const [bytes, text] of VECTORS) {
  Deno.test(`Huffman code agrees with RFC 7541 C.4 and C.6 on "${text}"`, () => {
    assert.deepEqual(encode(text), hex(bytes));
    assert.equal(decodeHuffman(hex(bytes)), text);
    assert.equal(huffmanLength(text), hex(bytes).length);
  });
}

Deno.test("the longest codes are those of RFC 7541 Appendix B", () => {
  assert.deepEqual(encode("\n"), hex("fffffff3"));
  assert.deepEqual(encode("\r"), hex("fffffff7"));
  assert.deepEqual(encode("\x16"), hex("fffffffb"));
  assert.deepEqual(encode("\xff"), hex("fffffbbf"));
});

Deno.test("decodeHuffman() returns what encodeHuffman() wrote, for every byte", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
      assert.equal(decodeHuffman(encode(text)), text);
      assert.equal(huffmanLength(text), encode(text).length);
    }),
    { seed: 2 },
  );
});

Deno.test("decodeHuffman() reads strings longer than a call's arguments", () => {
  const text = "a".repeat(100_000);
  assert.equal(decodeHuffman(encode(text)), text);
});

Deno.test("decodeHuffman() rejects EOS, padding of 8 bits or more, and padding with a 0", () => {
  // EOS, padded by 1s.
  assert.throws(() => decodeHuffman(hex("ffffffff")), isFailure);
  // "0" is 00000, then 3 bits of padding and 8 more.
  assert.throws(() => decodeHuffman(hex("07ff")), isFailure);
  assert.throws(() => decodeHuffman(hex("ff")), isFailure);
  assert.throws(() => decodeHuffman(hex("06")), isFailure);
  assert.throws(() => decodeHuffman(hex("00")), isFailure);
  assert.equal(decodeHuffman(hex("07")), "0");
  assert.equal(decodeHuffman(hex("")), "");
});
