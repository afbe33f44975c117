import assert from "node:assert/strict";
import fc from "fast-check";
import { QueueBudget } from "../../src/policy/backpressure.ts";

const limits = { maxQueueBytes: 100, highWaterBytes: 40, lowWaterBytes: 20 };

Deno.test("QueueBudget is congested from the high mark until down at the low mark", () => {
  const budget = new QueueBudget(limits);
  assert.equal(budget.add(39), "ok");
  assert.equal(budget.add(1), "congested");
  assert.equal(budget.remove(19), false);
  assert.equal(budget.add(1), "congested");
  assert.equal(budget.remove(2), true);
  assert.equal(budget.queuedBytes, 20);
  assert.equal(budget.congested, false);
  assert.equal(budget.add(10), "ok");
  assert.equal(budget.remove(30), false);
});

Deno.test("QueueBudget takes exactly the maximum and does not count what overflows", () => {
  const budget = new QueueBudget(limits);
  assert.equal(budget.add(101), "overflow");
  assert.equal(budget.queuedBytes, 0);
  assert.equal(budget.congested, false);
  assert.equal(budget.add(100), "congested");
  assert.equal(budget.add(1), "overflow");
  assert.equal(budget.add(0), "congested");
  assert.equal(budget.queuedBytes, 100);
});

Deno.test("QueueBudget defaults to 1 MiB, 64 KiB and half of that, within a smaller maximum", () => {
  const { maxQueueBytes, highWaterBytes, lowWaterBytes } = new QueueBudget();
  assert.deepEqual([maxQueueBytes, highWaterBytes, lowWaterBytes], [1048576, 65536, 32768]);
  const small = new QueueBudget({ maxQueueBytes: 1000 });
  assert.deepEqual([small.highWaterBytes, small.lowWaterBytes], [1000, 500]);
});

Deno.test("QueueBudget refuses marks out of order and a wrong count", () => {
  for (
    const bad of [
      { ...limits, maxQueueBytes: 39 },
      { ...limits, lowWaterBytes: 40 },
      { ...limits, lowWaterBytes: -1 },
      { ...limits, highWaterBytes: NaN },
      { maxQueueBytes: 0 },
    ]
  ) assert.throws(() => new QueueBudget(bad), RangeError, JSON.stringify(bad));
  const budget = new QueueBudget(limits);
  budget.add(5);
  assert.throws(() => budget.remove(6), /cannot lose 6 bytes: 5 wait/);
  assert.equal(budget.queuedBytes, 5);
});

Deno.test("QueueBudget agrees with a plain list of what waits", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1, max: 60 }), { maxLength: 100 }), (steps) => {
      const budget = new QueueBudget(limits);
      const waiting: number[] = [];
      let behind = false;
      const total = () => waiting.reduce((sum, bytes) => sum + bytes, 0);
      for (const step of steps) {
        if (step < 0) {
          const wasBehind: boolean = behind;
          const bytes = waiting.shift();
          if (bytes === undefined) continue;
          if (total() <= limits.lowWaterBytes) behind = false;
          assert.equal(budget.remove(bytes), wasBehind && !behind);
        } else if (total() + step > limits.maxQueueBytes) {
          assert.equal(budget.add(step), "overflow");
        } else {
          waiting.push(step);
          if (total() >= limits.highWaterBytes) behind = true;
          assert.equal(budget.add(step), behind ? "congested" : "ok");
        }
        assert.equal(budget.queuedBytes, total());
        assert.equal(budget.congested, behind);
      }
    }),
    { seed: 3, numRuns: 300 },
  );
});
