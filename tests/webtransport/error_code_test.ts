import assert from "node:assert/strict";
import fc from "fast-check";
import { http3ToWebTransport, webTransportToHttp3 } from "../../src/webtransport/error_code.ts";

Deno.test("application codes map to the range that the draft gives, and back", () => {
  const cases = [
    [0, 0x52e4a40fa8db],
    [0x1d, 0x52e4a40fa8f8],
    [0x1e, 0x52e4a40fa8fa],
    [0xffff_ffff, 0x52e5ac983162],
  ] as const;
  for (const [code, http3] of cases) {
    assert.equal(webTransportToHttp3(code), http3);
    assert.equal(http3ToWebTransport(http3), code);
  }
});

Deno.test("http3ToWebTransport() returns what webTransportToHttp3() was given", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (code) => {
      const http3 = webTransportToHttp3(code);
      assert.notEqual((http3 - 0x21) % 0x1f, 0);
      assert.equal(http3ToWebTransport(http3), code);
    }),
    { seed: 10 },
  );
});

Deno.test("http3ToWebTransport() knows no code outside the range, and none of GREASE", () => {
  for (const http3 of [0, 0x10c, 0x52e4a40fa8da, 0x52e5ac983163, 0x52e4a40fa8f9, NaN]) {
    assert.equal(http3ToWebTransport(http3), undefined);
  }
});

Deno.test("webTransportToHttp3() rejects what is no u32", () => {
  for (const code of [-1, 2 ** 32, 0.5, NaN]) {
    assert.throws(() => webTransportToHttp3(code), RangeError);
  }
});
