import assert from "node:assert/strict";
import { VirtualClock } from "./virtual_clock.ts";

Deno.test("timers run in the order of their time, then of their making, and see that time", () => {
  const clock = new VirtualClock();
  const seen: [string, number][] = [];
  const note = (name: string) => () => seen.push([name, clock.now()]);
  clock.setTimeout(note("late"), 20);
  clock.setTimeout(note("early"), 9.2);
  clock.setTimeout(note("early too"), 10);
  clock.clearTimeout(clock.setTimeout(note("stopped"), 5));
  clock.setTimeout(() => clock.setTimeout(note("started on the way"), 0), 20);
  clock.runUntil(15);
  assert.equal(clock.now(), 15);
  clock.runUntil(20);
  assert.deepEqual(seen, [
    ["early", 10],
    ["early too", 10],
    ["late", 20],
    ["started on the way", 20],
  ]);
});
