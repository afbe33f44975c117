import assert from "node:assert/strict";
import { SeenMarks } from "../../src/client/seen_marks.ts";
import { FakeClock } from "../fake_clock.ts";

function open() {
  const clock = new FakeClock();
  const told: [newest: number, missing: readonly number[]][] = [];
  return { clock, told, marks: new SeenMarks(clock, (...seen) => told.push(seen)) };
}

Deno.test("what has come is told 50 ms later, once, with what is missing", () => {
  const { clock, told, marks } = open();
  for (const number of [1, 2, 5, 4]) marks.add(number);
  clock.advance(49);
  assert.deepEqual(told, []);
  clock.advance(1);
  assert.deepEqual(told, [[5, [3]]]);
  clock.advance(10_000);
  assert.equal(told.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("what is missing is told again until it comes or is too old to be told of", () => {
  const { clock, told, marks } = open();
  for (const number of [1, 3]) marks.add(number);
  clock.advance(50);
  marks.add(2);
  clock.advance(50);
  assert.deepEqual(told, [[3, [2]], [3, []]]);
  for (let number = 5; number <= 68; number++) marks.add(number);
  clock.advance(50);
  assert.deepEqual(told[2], [68, []], "4 is out of the window");
  marks.add(4);
  clock.advance(50);
  assert.equal(told.length, 3);
});
