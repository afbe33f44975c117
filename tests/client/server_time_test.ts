import assert from "node:assert/strict";
import { AgeMeter } from "../../src/client/age_meter.ts";
import { ServerTime } from "../../src/client/server_time.ts";

Deno.test("the server's time is taken from the quickest round trip", () => {
  const time = new ServerTime();
  assert.equal(time.at(0), undefined);
  // Sent at 0, back at 100: the server's 1,000,050 was about 50 ms ago.
  time.sample(1_000_050, 100, 100);
  assert.equal(time.at(100), 1_000_100);
  time.sample(1_000_700, 400, 1000);
  assert.equal(time.at(1000), 1_001_000, "a slower one knows it less well");
  time.sample(1_002_010, 20, 2000);
  assert.equal(time.at(2000), 1_002_020);
  time.sample(1_070_100, 200, 70_000);
  assert.equal(time.at(70_000), 1_070_200, "after a minute the clocks may have drifted apart");
});

Deno.test("ages are smoothed, never below 0, and reported every two seconds", () => {
  const meter = new AgeMeter();
  assert.equal(meter.add(-3, 0), 0);
  assert.equal(meter.add(80, 100), undefined);
  assert.equal(meter.smoothedMs, 10);
  assert.equal(meter.add(10, 2000), 10);
});
