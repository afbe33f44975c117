import assert from "node:assert/strict";
import fc from "fast-check";
import { Http3Error } from "../../src/http3/error.ts";
import { decodeCloseCapsule, encodeCloseCapsule } from "../../src/webtransport/close_capsule.ts";
import { hex } from "../bytes.ts";

Deno.test("encodeCloseCapsule() writes the type, the length, the code and the reason", () => {
  const bytes = encodeCloseCapsule({ closeCode: 0x01020304, reason: "é" });
  assert.deepEqual(bytes, hex("6843 06 01020304 c3a9"));
});

Deno.test("encodeCloseCapsule() cuts a long reason between two characters", () => {
  const payload = encodeCloseCapsule({ closeCode: 1, reason: "x" + "é".repeat(600) }).subarray(4);
  const { closeCode, reason } = decodeCloseCapsule(payload);
  assert.equal(closeCode, 1);
  assert.equal(reason, "x" + "é".repeat(511));
});

Deno.test("encodeCloseCapsule() refuses a code that is no unsigned 32-bit integer", () => {
  for (const closeCode of [-1, 0x1_0000_0000, 1.5, NaN]) {
    assert.throws(() => encodeCloseCapsule({ closeCode, reason: "" }), RangeError);
  }
});

Deno.test("decodeCloseCapsule() reads what encodeCloseCapsule() wrote", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.string({ unit: "grapheme", maxLength: 100 }),
      (closeCode, reason) => {
        const capsule = encodeCloseCapsule({ closeCode, reason });
        // The type takes two bytes, and the length as many as its own first bits say.
        const payload = capsule.subarray(2 + (1 << (capsule[2]! >> 6)));
        assert.deepEqual(decodeCloseCapsule(payload), { closeCode, reason });
      },
    ),
    { seed: 1 },
  );
});

Deno.test("decodeCloseCapsule() refuses a short, a long and a garbled payload", () => {
  for (const payload of [hex("000000"), new Uint8Array(1029), hex("00000000 ff")]) {
    assert.throws(
      () => decodeCloseCapsule(payload),
      (error) => error instanceof Http3Error && error.code === 0x10e && error.scope === "stream",
    );
  }
});
