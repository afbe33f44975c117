import assert from "node:assert/strict";
import fc from "fast-check";
import { TokenBucket } from "../../src/policy/token_bucket.ts";
import { FakeClock } from "../fake_clock.ts";

Deno.test("TokenBucket gives its burst, then its rate, and saves no more than its burst", () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ ratePerSecond: 10, burst: 3 }, clock);
  const takeAll = () => {
    let taken = 0;
    while (bucket.take()) taken++;
    return taken;
  };
  assert.equal(takeAll(), 3);
  clock.advance(100);
  assert.equal(takeAll(), 1);
  clock.advance(99);
  assert.equal(takeAll(), 0);
  clock.advance(60_000);
  assert.equal(takeAll(), 3);
});

Deno.test("TokenBucket takes several tokens or none", () => {
  const bucket = new TokenBucket({ ratePerSecond: 1, burst: 5 }, new FakeClock());
  assert.equal(bucket.take(6), false);
  assert.equal(bucket.take(3), true);
  assert.equal(bucket.take(3), false);
  assert.equal(bucket.take(2), true);
});

Deno.test("TokenBucket with an infinite rate never refuses", () => {
  const bucket = new TokenBucket({ ratePerSecond: Infinity, burst: 1 }, new FakeClock());
  for (let turn = 0; turn < 1000; turn++) assert.equal(bucket.take(), true);
});

Deno.test("TokenBucket never lets more through than its burst and its rate", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 1000, noNaN: true }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat(2000), { maxLength: 200 }),
      (ratePerSecond, burst, pauses) => {
        const clock = new FakeClock(0);
        const bucket = new TokenBucket({ ratePerSecond, burst }, clock);
        let taken = 0;
        for (const pauseMs of pauses) {
          clock.advance(pauseMs);
          while (taken < 100_000 && bucket.take()) taken++;
          assert.ok(taken <= burst + clock.now() * ratePerSecond / 1000 + 1e-6);
        }
      },
    ),
    { seed: 8, numRuns: 100 },
  );
});

Deno.test("TokenBucket refuses a rate or a burst that lets nothing through", () => {
  for (const ratePerSecond of [0, -1, NaN]) {
    assert.throws(() => new TokenBucket({ ratePerSecond, burst: 1 }, new FakeClock()), RangeError);
  }
  for (const burst of [0, 0.5, NaN]) {
    assert.throws(() => new TokenBucket({ ratePerSecond: 1, burst }, new FakeClock()), RangeError);
  }
});
