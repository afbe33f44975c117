import assert from "node:assert/strict";
import { Passes } from "../../src/server/passes.ts";
import { FakeClock } from "../fake_clock.ts";

Deno.test("a pass is good for each transport that a client tries, and no more", () => {
  const passes = new Passes(new FakeClock());
  const pass = passes.issue();
  assert.deepEqual([1, 2, 3, 4].map(() => passes.use(pass)), [true, true, true, false]);
  assert.equal(passes.size, 0);
});

Deno.test("a pass runs out, and what ran out is forgotten", () => {
  const clock = new FakeClock();
  const passes = new Passes(clock);
  const old = Array.from({ length: 100 }, () => passes.issue());
  clock.advance(10_000);
  assert.equal(passes.use(old[0]!), false);
  const pass = passes.issue();
  assert.equal(passes.size, 1);
  assert.equal(passes.use(pass), true);
});

Deno.test("a pass that nobody was given is none", () => {
  const passes = new Passes(new FakeClock());
  passes.issue();
  assert.equal(passes.use(""), false);
  assert.equal(passes.use("0".repeat(32)), false);
});

Deno.test("passes are bounded: at the limit the oldest are forgotten", () => {
  const passes = new Passes(new FakeClock());
  const first = passes.issue();
  for (let count = 0; count < 20_000; count++) passes.issue();
  assert.equal(passes.size, 10_000);
  assert.equal(passes.use(first), false);
  assert.equal(passes.use(passes.issue()), true);
});
