import assert from "node:assert/strict";
import { StallDetector } from "../../src/client/stall.ts";
import { RttEstimator } from "../../src/policy/rtt.ts";
import { FakeClock } from "../fake_clock.ts";

function open() {
  const clock = new FakeClock();
  const rtt = new RttEstimator();
  const events: [atMs: number, event: string][] = [];
  const note = (event: string) => events.push([clock.now() - 1000, event]);
  const detector = new StallDetector(clock, {
    rtt,
    ping: () => note("ping"),
    stalled: (reason, slow) => note(`${slow ? "slow" : "stalled"}: ${reason}`),
  });
  /** Something comes in every `everyMs`, `count` times. */
  const stream = (everyMs: number, count: number) => {
    for (let i = 0; i < count; i++) {
      clock.advance(everyMs);
      detector.arrived();
    }
  };
  const measure = (ms: number) => {
    rtt.sample(ms);
    detector.measured();
  };
  return { clock, events, detector, stream, measure };
}

Deno.test("a stream that breaks off is asked for once, and has stalled if nothing answers", () => {
  const { clock, events, detector, stream } = open();
  stream(20, 20);
  clock.advance(10_000);
  assert.deepEqual(events, [[1400, "ping"], [2400, "stalled: Nothing came for 2000 ms"]]);
  assert.equal(detector.stalled, true);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a stream that ends is let be once its server has answered", () => {
  const { clock, events, detector, stream } = open();
  stream(20, 50);
  clock.advance(1500);
  assert.equal(events.filter(([, event]) => event === "ping").length, 1);
  detector.arrived();
  clock.advance(60_000);
  assert.equal(events.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("what stalled and brings something after all has not stalled", () => {
  const { clock, detector, stream } = open();
  stream(20, 20);
  clock.advance(5000);
  assert.equal(detector.stalled, true);
  detector.arrived();
  assert.equal(detector.stalled, false);
});

Deno.test("a path with little traffic is left to the heartbeat, and wakes no radio", () => {
  const { clock, events, stream } = open();
  stream(2000, 30);
  clock.advance(60_000);
  assert.deepEqual(events, []);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a busy path is measured every two seconds, and never judged for it", () => {
  const { events, stream } = open();
  stream(16, 1000);
  assert.deepEqual(new Set(events.map(([, event]) => event)), new Set(["ping"]));
  assert.ok(events.length >= 5 && events.length <= 9, `${events.length} in 16 s`);
});

Deno.test("an answer has twice the usual time of a far server, and its variation", () => {
  const { clock, events, stream, measure } = open();
  measure(900);
  stream(50, 20);
  clock.advance(10_000);
  // 2 × (900 + 4 × 450) ms after the ping.
  assert.deepEqual(events, [[2000, "ping"], [7400, "stalled: Nothing came for 6400 ms"]]);
});

Deno.test("round trips of many times the best, three in a row, are a slow path", () => {
  const { events, measure } = open();
  for (const ms of [40, 1200, 1200, 50, 1200, 1200, 900, 1200, 1200]) measure(ms);
  assert.deepEqual(events, []);
  measure(1300);
  assert.deepEqual(events, [[0, "slow: A round trip took 1300 ms"]]);
});

Deno.test("a server that always was far is not slow", () => {
  const { events, measure } = open();
  for (let i = 0; i < 20; i++) measure(1500);
  assert.deepEqual(events, []);
});
