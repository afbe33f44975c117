import assert from "node:assert/strict";
import { Pulse } from "../../src/demo/pulse.ts";
import { FakeClock } from "../fake_clock.ts";

Deno.test("a pulse beats evenly, and one late beat shifts no other", () => {
  const clock = new FakeClock();
  let beats = 0;
  const pulse = new Pulse(clock, 30, () => beats++);
  pulse.start();
  clock.advance(1000);
  // Thirty intervals add up to a little more or less than a second.
  assert.ok(Math.abs(beats - 30) <= 1, `${beats}`);
  clock.suspend(20);
  clock.advance(980);
  assert.ok(Math.abs(beats - 60) <= 1, `${beats}`);
  pulse.stop();
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("what a stalled process missed is skipped, and said as late", () => {
  const clock = new FakeClock();
  let beats = 0;
  const pulse = new Pulse(clock, 10, () => beats++);
  pulse.start();
  clock.suspend(5000);
  clock.advance(0);
  assert.equal(beats, 1);
  clock.advance(1000);
  assert.equal(beats, 11);
  assert.ok(pulse.load.lateMs.p99 >= 4800);
  pulse.stop();
});
