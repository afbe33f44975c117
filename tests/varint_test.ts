import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeVarint,
  encodeVarint,
  MAX_VARINT,
  varintLength,
  varintLengthOf,
} from "../src/varint.ts";
import { hex } from "./bytes.ts";

// RFC 9000 A.1; the first exceeds 2^53 - 1, so it decodes to the nearest double.
const VECTORS = [
  ["c2197c5eff14e88c", 151_288_809_941_952_652],
  ["9d7f3e7d", 494_878_333],
  ["7bbd", 15_293],
  ["25", 37],
  ["4025", 37],
] as const;

for (const [bytes, value] of VECTORS) {
  Deno.test(`decodeVarint() reads ${bytes} of RFC 9000 A.1`, () => {
    const source = hex(bytes);
    assert.deepEqual(decodeVarint(source, 0), { value: Number(value), next: source.length });
    assert.equal(varintLengthOf(source[0]!), source.length);
  });
}

Deno.test("encodeVarint() writes the shortest form at each bound", () => {
  const cases = [
    [0, "00"],
    [0x3f, "3f"],
    [0x40, "4040"],
    [0x3fff, "7fff"],
    [0x4000, "80004000"],
    [0x3fff_ffff, "bfffffff"],
    [0x4000_0000, "c000000040000000"],
    [MAX_VARINT, "c01fffffffffffff"],
  ] as const;
  for (const [value, bytes] of cases) {
    const target = new Uint8Array(varintLength(value));
    assert.equal(encodeVarint(value, target, 0), target.length);
    assert.deepEqual(target, hex(bytes));
  }
});

Deno.test("decodeVarint() returns what encodeVarint() wrote, at any offset", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(8), (value, offset) => {
      const target = new Uint8Array(offset + 8);
      const next = encodeVarint(value, target, offset);
      assert.deepEqual(decodeVarint(target, offset), { value, next });
    }),
    { seed: 1 },
  );
});

Deno.test("decodeVarint() returns undefined for every truncation", () => {
  for (const [bytes] of VECTORS) {
    const source = hex(bytes);
    for (let length = 0; length < source.length; length++) {
      assert.equal(decodeVarint(source.subarray(0, length), 0), undefined);
    }
  }
  assert.equal(decodeVarint(hex("25"), 1), undefined);
});

Deno.test("encodeVarint() rejects what is no varint, and a target that is too small", () => {
  const target = new Uint8Array(8);
  for (const value of [-1, 0.5, NaN, Infinity, MAX_VARINT + 1]) {
    assert.throws(() => encodeVarint(value, target, 0), RangeError);
  }
  assert.throws(() => encodeVarint(0x40, target, 7), /does not fit: 1 bytes left/);
});
