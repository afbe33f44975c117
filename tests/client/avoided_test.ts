import assert from "node:assert/strict";
import { Avoided } from "../../src/client/avoided.ts";
import { FakeClock } from "../fake_clock.ts";

const ALL = ["webtransport", "websocket", "sse"] as const;

Deno.test("what has stalled comes last for a while that doubles, up to thirty times as long", () => {
  const clock = new FakeClock();
  const avoided = new Avoided(clock, 1000);
  const times: number[] = [];
  for (let stall = 0; stall < 8; stall++) {
    avoided.add("webtransport", "Nothing came");
    const from = clock.now();
    assert.deepEqual(avoided.sort(ALL), ["websocket", "sse", "webtransport"]);
    assert.deepEqual(avoided.reasons, [{ transport: "webtransport", reason: "Nothing came" }]);
    while (avoided.has("webtransport")) clock.advance(100);
    times.push(clock.now() - from);
    assert.deepEqual(avoided.sort(ALL), ALL);
  }
  assert.deepEqual(times, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});
