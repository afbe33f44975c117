import assert from "node:assert/strict";
import fc from "fast-check";
import { LatestKeys } from "../../src/client/latest_keys.ts";

Deno.test("no key ever goes backwards, whatever the order, however few keys are held", () => {
  const update = fc.record({ key: fc.nat(20), offset: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(fc.array(update), fc.integer({ min: 1, max: 25 }), (updates, maxKeys) => {
      const keys = new LatestKeys(maxKeys);
      const newest = new Map<number, number>();
      for (const { key, offset } of updates) {
        if (!keys.accept(String(key), offset)) continue;
        assert(offset > (newest.get(key) ?? 0));
        newest.set(key, offset);
      }
    }),
    { seed: 11 },
  );
});

Deno.test("as long as keys are held, every newer value is accepted", () => {
  const keys = new LatestKeys(10);
  assert(keys.accept("a", 5));
  assert(keys.accept("b", 2));
  assert(!keys.accept("a", 5));
  assert(!keys.accept("a", 4));
  assert(keys.accept("b", 6));
});

Deno.test("a replay brings keys that were forgotten, a new epoch all of them", () => {
  const keys = new LatestKeys(2);
  for (let offset = 1; offset <= 3; offset++) keys.accept(`k${offset}`, offset);
  assert(!keys.accept("k1", 1));
  keys.replay();
  assert(keys.accept("k1", 1));
  keys.clear();
  assert(keys.accept("k3", 1));
});
