import assert from "node:assert/strict";
import fc from "fast-check";
import { decodePrefixedInteger, encodePrefixedInteger } from "../../src/http3/prefixed_integer.ts";
import { hex } from "../bytes.ts";

function encode(value: number, prefixBits: number): Uint8Array {
  const target: number[] = [];
  encodePrefixedInteger(value, prefixBits, 0, target);
  return Uint8Array.from(target);
}

Deno.test("prefixed integers agree with RFC 7541 C.1", () => {
  const cases = [[10, 5, "0a"], [1337, 5, "1f9a0a"], [42, 8, "2a"]] as const;
  for (const [value, prefixBits, bytes] of cases) {
    assert.deepEqual(encode(value, prefixBits), hex(bytes));
    assert.deepEqual(decodePrefixedInteger(hex(bytes), 0, prefixBits), {
      value,
      next: hex(bytes).length,
    });
  }
});

Deno.test("decodePrefixedInteger() returns what encodePrefixedInteger() wrote, whatever the pattern", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 3, max: 8 }), (value, prefixBits) => {
      const target: number[] = [];
      encodePrefixedInteger(value, prefixBits, 0xff & (0xff << prefixBits), target);
      const source = Uint8Array.from(target);
      assert.deepEqual(decodePrefixedInteger(source, 0, prefixBits), {
        value,
        next: source.length,
      });
      assert.equal(decodePrefixedInteger(source.subarray(0, -1), 0, prefixBits), undefined);
    }),
    { seed: 3 },
  );
});

Deno.test("decodePrefixedInteger() takes no integer above 2^53 - 1 and no endless one", () => {
  assert.equal(decodePrefixedInteger(hex("ffffffffffffffff7f"), 0, 8), undefined);
  assert.equal(decodePrefixedInteger(hex("ff 808080808080808080808000"), 0, 8), undefined);
  assert.deepEqual(decodePrefixedInteger(hex("ff 8080808080808000"), 0, 8), {
    value: 255,
    next: 9,
  });
});
