import assert from "node:assert/strict";
import { RttEstimator } from "../../src/policy/rtt.ts";

Deno.test("RttEstimator smooths by RFC 6298: 1/8 for the time, 1/4 for its variation", () => {
  const rtt = new RttEstimator();
  assert.equal(rtt.smoothedMs, undefined);
  rtt.sample(100);
  assert.deepEqual([rtt.smoothedMs, rtt.variationMs, rtt.latestMs], [100, 50, 100]);
  rtt.sample(180);
  assert.deepEqual([rtt.smoothedMs, rtt.variationMs, rtt.latestMs], [110, 57.5, 180]);
  rtt.sample(110);
  assert.deepEqual([rtt.smoothedMs, rtt.variationMs, rtt.latestMs], [110, 43.125, 110]);
});
