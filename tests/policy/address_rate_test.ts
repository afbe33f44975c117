import assert from "node:assert/strict";
import fc from "fast-check";
import { AddressRate } from "../../src/policy/address_rate.ts";
import { FakeClock } from "../fake_clock.ts";

function come(rate: AddressRate, key: string): boolean {
  if (rate.waitMs(key, 60_000) > 0) return false;
  rate.charge(key);
  return true;
}

Deno.test("AddressRate lets an address in by its burst and its rate, whatever others do", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(300)), { maxLength: 300 }), (steps) => {
      const clock = new FakeClock();
      const rate = new AddressRate(10, 3, clock);
      const tokens = [3, 3, 3];
      for (const [address, waitMs] of steps) {
        clock.advance(waitMs);
        for (const each of [0, 1, 2]) tokens[each] = Math.min(3, tokens[each]! + waitMs / 100);
        const expected = tokens[address]! >= 1 - 1e-9;
        assert.equal(come(rate, `${address}`), expected);
        if (expected) tokens[address]!--;
      }
    }),
    { seed: 11, numRuns: 300 },
  );
});

Deno.test("AddressRate forgets addresses that have been away, and remembers none that was refused", () => {
  const clock = new FakeClock();
  const rate = new AddressRate(10, 10, clock);
  for (let number = 0; number < 1000; number++) come(rate, `192.0.${number >> 8}.${number & 255}`);
  assert.equal(rate.size, 1000);
  clock.advance(5000);
  come(rate, "192.0.2.1");
  assert.equal(rate.size, 1);
  rate.waitMs("192.0.2.2", 60_000);
  assert.equal(rate.size, 1);
});

Deno.test("AddressRate puts nobody off for longer than it may", () => {
  const rate = new AddressRate(1, 1, new FakeClock());
  come(rate, "a");
  let longestMs = 0;
  for (let turn = 0; turn < 100; turn++) longestMs = Math.max(longestMs, rate.waitMs("a", 5000));
  assert.equal(longestMs, 5000);
});

Deno.test("AddressRate without a limit remembers nobody", () => {
  const rate = new AddressRate(Infinity, Infinity, new FakeClock());
  for (let turn = 0; turn < 100; turn++) assert.equal(come(rate, "a"), true);
  assert.equal(rate.size, 0);
});
