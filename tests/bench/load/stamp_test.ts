import assert from "node:assert/strict";
import { nowMicros, StampReader } from "./stamp.ts";

const stamp = (micros: number) => `<t${Math.round(micros)}>`;

Deno.test("StampReader counts each stamp once, wherever a chunk ends", () => {
  const bytes = new TextEncoder().encode(
    `\u0001<x${stamp(nowMicros() - 5000)}tail<t${stamp(nowMicros() - 5000)}`,
  );
  for (let cut = 0; cut <= bytes.length; cut++) {
    const tally = { deliveries: 0, latencies: [] as number[] };
    const reader = new StampReader(tally, true);
    reader.read(bytes, cut);
    reader.read(bytes.subarray(cut), bytes.length - cut);
    assert.equal(tally.deliveries, 2, `cut at ${cut}`);
    assert.ok(tally.latencies.every((latency) => latency >= 4.9), `cut at ${cut}`);
  }
});

Deno.test("StampReader keeps no latencies of a subscriber that is not sampled", () => {
  const tally = { deliveries: 0, latencies: [] as number[] };
  const bytes = new TextEncoder().encode(stamp(nowMicros()));
  new StampReader(tally, false).read(bytes, bytes.length);
  assert.deepEqual(tally, { deliveries: 1, latencies: [] });
});
