import assert from "node:assert/strict";
import { FakeClock } from "./fake_clock.ts";

Deno.test("FakeClock runs timers by due time, then in the order they were made", () => {
  const clock = new FakeClock(0);
  const ran: string[] = [];
  clock.setTimeout(() => ran.push(`late@${clock.now()}`), 20);
  clock.setTimeout(() => ran.push(`first@${clock.now()}`), 10);
  clock.setTimeout(() => ran.push(`second@${clock.now()}`), 10);
  const stopped = clock.setTimeout(() => ran.push("stopped"), 5);
  clock.clearTimeout(stopped);
  clock.advance(15);
  assert.deepEqual(ran, ["first@10", "second@10"]);
  assert.equal(clock.now(), 15);
  clock.advance(5);
  assert.deepEqual(ran, ["first@10", "second@10", "late@20"]);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("FakeClock runs timers that a timer starts within the same advance", () => {
  const clock = new FakeClock(0);
  let ticks = 0;
  const tick = () => {
    ticks++;
    clock.setTimeout(tick, 10);
  };
  clock.setTimeout(tick, 10);
  clock.advance(100);
  assert.equal(ticks, 10);
});

Deno.test("FakeClock.advanceAsync() settles promises between timers", async () => {
  const clock = new FakeClock(0);
  const seen: number[] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.setTimeout(resolve, ms));
  const loop = (async () => {
    for (let turn = 0; turn < 3; turn++) {
      await sleep(10);
      await Promise.resolve();
      seen.push(clock.now());
    }
  })();
  await clock.advanceAsync(30);
  assert.deepEqual(seen, [10, 20, 30]);
  await loop;
});
