import assert from "node:assert/strict";
import { EMPTY, RateLimit } from "../../src/policy/rate_limit.ts";
import { FakeClock } from "../fake_clock.ts";

function takeAll(limit: RateLimit, fullAtMs: number): { taken: number; fullAtMs: number } {
  for (let taken = 0;; taken++) {
    const next = limit.take(fullAtMs);
    if (next === EMPTY || taken === 1000) return { taken, fullAtMs };
    fullAtMs = next;
  }
}

Deno.test("a RateLimit gives a whole burst, then its rate, whatever the fractions", async () => {
  for (const [ratePerSecond, burst] of [[10, 20], [3, 7], [250, 500], [0.7, 1]] as const) {
    const clock = new FakeClock();
    const limit = new RateLimit({ ratePerSecond, burst }, clock);
    const first = takeAll(limit, 0);
    assert.equal(first.taken, burst);
    await clock.advanceAsync(10_000);
    const second = takeAll(limit, first.fullAtMs);
    assert.equal(second.taken, Math.min(burst, Math.floor(ratePerSecond * 10)));
  }
});

Deno.test("a RateLimit of Infinity refuses nothing, and one of 0 is none", () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ ratePerSecond: Infinity, burst: 1 }, clock);
  assert.equal(takeAll(limit, 0).taken, 1000);
  assert.throws(() => new RateLimit({ ratePerSecond: 0, burst: 1 }, clock), /above 0: 0$/);
  assert.throws(() => new RateLimit({ ratePerSecond: 1, burst: 0 }, clock), /at least 1: 0$/);
});
