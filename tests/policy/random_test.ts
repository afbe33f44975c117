import assert from "node:assert/strict";
import { seededRandom } from "../../src/policy/random.ts";

Deno.test("seededRandom() repeats itself for one seed and differs for another", () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 8 }, () => random());
  };
  assert.deepEqual(draw(42), draw(42));
  assert.notDeepEqual(draw(42), draw(43));
});

Deno.test("seededRandom() gives mulberry32's published values", () => {
  const random = seededRandom(0);
  const words = Array.from({ length: 3 }, () => random() * 0x1_0000_0000);
  assert.deepEqual(words, [1144304738, 1416247, 958946056]);
});

Deno.test("seededRandom() spreads evenly over [0, 1)", () => {
  const random = seededRandom(7);
  const buckets = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 100_000; draw++) {
    const value = random();
    assert.ok(value >= 0 && value < 1, `${value}`);
    buckets[Math.floor(value * 10)]! += 1;
  }
  for (const count of buckets) assert.ok(Math.abs(count - 10_000) < 500, `${buckets}`);
});
