import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import {
  decodeFieldSection,
  encodeFieldSection,
  type Field,
  FieldSectionTooLarge,
} from "../../src/http3/qpack.ts";
import { STATIC_TABLE } from "../../src/http3/qpack_static_table.ts";
import { hex } from "../bytes.ts";

function decode(bytes: Uint8Array, maxFieldSectionBytes = 16_384): Field[] {
  return decodeFieldSection(bytes, { maxFieldSectionBytes });
}

function rejects(bytes: string, message: RegExp): void {
  assert.throws(
    () => decode(hex(bytes)),
    (error) =>
      error instanceof Http3Error && error.scope === "connection" &&
      error.code === ErrorCode.QPACK_DECOMPRESSION_FAILED && message.test(error.message),
    bytes,
  );
}

Deno.test("decodeFieldSection() reads the literal with name reference of RFC 9204 B.1", () => {
  assert.deepEqual(decode(hex("0000 510b 2f69 6e64 6578 2e68 746d 6c")), [[
    ":path",
    "/index.html",
  ]]);
});

Deno.test("decodeFieldSection() rejects the dynamic references of RFC 9204 B.2 and B.4", () => {
  rejects("0381 1011", /requires inserts into a dynamic table of capacity 0.*: 3$/);
  rejects("0500 80c1 81", /requires inserts/);
});

Deno.test("the static table is that of RFC 9204 Appendix A", () => {
  assert.equal(STATIC_TABLE.length, 99);
  const some: [number, string, string][] = [
    [0, ":authority", ""],
    [15, ":method", "CONNECT"],
    [25, ":status", "200"],
    [63, ":status", "100"],
    [72, "accept-language", ""],
    [74, "access-control-allow-credentials", "TRUE"],
    [85, "content-security-policy", "script-src 'none'; object-src 'none'; base-uri 'none'"],
    [98, "x-frame-options", "sameorigin"],
  ];
  for (const [index, name, value] of some) assert.deepEqual(STATIC_TABLE[index], [name, value]);
});

Deno.test("every static entry is one index, and decodes to itself", () => {
  for (const [index, field] of STATIC_TABLE.entries()) {
    const encoded = encodeFieldSection([field]);
    assert.equal(encoded.length, index < 63 ? 3 : 4, field[0]);
    assert.deepEqual(decode(encoded), [field]);
  }
});

Deno.test("encodeFieldSection() refers to the lowest static index of a name, and packs the value", () => {
  // :status is 24 to 28 and 63 to 71; "418" is shorter in plain.
  assert.deepEqual(encodeFieldSection([[":status", "418"]]), hex("0000 5f09 03 343138"));
  // The Huffman string of RFC 7541 C.4.1.
  assert.deepEqual(
    encodeFieldSection([[":authority", "www.example.com"]]),
    hex("0000 50 8c f1e3c2e5f23a6ba0ab90f4ff"),
  );
  // Literal name and value: RFC 7541 C.4.3's strings.
  assert.deepEqual(
    encodeFieldSection([["custom-key", "custom-value"]]),
    hex("0000 2f01 25a849e95ba97d7f 89 25a849e95bb8e8b4bf"),
  );
});

Deno.test("decodeFieldSection() returns what encodeFieldSection() wrote", () => {
  const text = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
  });
  const name = fc.oneof(text, fc.constantFrom(...STATIC_TABLE.map(([name]) => name)));
  const field = fc.oneof(
    fc.tuple(name, text),
    fc.constantFrom(...STATIC_TABLE.map(([name, value]): [string, string] => [name, value])),
  );
  fc.assert(
    fc.property(fc.array(field), (fields) => {
      assert.deepEqual(decode(encodeFieldSection(fields)), fields);
    }),
    { seed: 4 },
  );
});

Deno.test("encodeFieldSection() rejects characters above U+00FF", () => {
  assert.throws(() => encodeFieldSection([["x", "π"]]), RangeError);
});

Deno.test("decodeFieldSection() rejects every reference to the dynamic table", () => {
  rejects("0000 80", /refers to the dynamic table/);
  rejects("0000 4001 61", /refers to the dynamic table/);
  rejects("0000 10", /post-Base index/);
  rejects("0000 0001 61", /post-Base name reference/);
  rejects("0100", /requires inserts/);
  rejects("0080", /negative Base/);
});

Deno.test("decodeFieldSection() rejects static indices from 99 up", () => {
  assert.deepEqual(decode(hex("0000 ff23")), [["x-frame-options", "sameorigin"]]);
  rejects("0000 ff24", /static entry that there is not.*: 99$/);
  rejects("0000 5f54 00", /static entry that there is not.*: 99$/);
});

Deno.test("decodeFieldSection() rejects truncation anywhere", () => {
  const whole = encodeFieldSection([[":path", "/a/longer/path"], ["custom-key", "value"]]);
  const ends = new Set([2, 2 + encodeFieldSection([[":path", "/a/longer/path"]]).length - 2]);
  for (let length = 0; length < whole.length; length++) {
    if (ends.has(length)) continue;
    assert.throws(() => decode(whole.subarray(0, length)), Http3Error, `${length} bytes`);
  }
});

Deno.test("decodeFieldSection() rejects bad Huffman strings and integers that overflow", () => {
  rejects("0000 5181 06", /Huffman string is padded by a 0/);
  rejects("0000 5184 ffffffff", /Huffman string contains EOS/);
  rejects("0000 ffffffffffffffffffff7f", /bad integer/);
  rejects("0000 517fffffffffffffffffff01", /bad integer/);
  rejects("0000 ff808080808080808080808080", /bad integer/);
});

Deno.test("decodeFieldSection() counts 32 bytes a field line, and stops at the limit", () => {
  const encoded = encodeFieldSection([["a", "b"], ["c", "de"]]);
  assert.equal(decode(encoded, 34 + 35).length, 2);
  assert.throws(() => decode(encoded, 34 + 34), FieldSectionTooLarge);
  // What follows the limit is not read: malformed bytes there do not matter.
  assert.throws(() => decode(hex("0000 d1 80"), 10), FieldSectionTooLarge);
});
