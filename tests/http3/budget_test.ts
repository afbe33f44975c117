import assert from "node:assert/strict";
import { Budget } from "../../src/http3/budget.ts";
import { FakeClock } from "../fake_clock.ts";

Deno.test("Budget.spend() allows the limit within a window, and no more", () => {
  const budget = new Budget(3, 1000, new FakeClock());
  assert.equal(budget.spend(2), true);
  assert.equal(budget.spend(1), true);
  assert.equal(budget.spend(1), false);
});

Deno.test("Budget.spend() begins a new window with the first spending after the old one", () => {
  const clock = new FakeClock();
  const budget = new Budget(3, 1000, clock);
  budget.spend(3);
  clock.advance(999);
  assert.equal(budget.spend(1), false);
  clock.advance(1);
  assert.equal(budget.spend(3), true);
  clock.advance(5000);
  assert.equal(budget.spend(3), true);
  clock.advance(999);
  assert.equal(budget.spend(1), false);
});
