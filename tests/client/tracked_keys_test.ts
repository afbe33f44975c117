import assert from "node:assert/strict";
import fc from "fast-check";
import { TrackedKeys } from "../../src/client/tracked_keys.ts";

Deno.test("the server is told of changes once, of each key the last", () => {
  const keys = new TrackedKeys(["a"]);
  assert.equal(keys.change(["b", "a"], []), true);
  assert.equal(keys.change(["c"], ["b"]), false);
  assert.deepEqual(keys.take(), { add: ["c"], remove: ["b"] });
  assert.equal(keys.take(), undefined);
});

Deno.test("whatever is changed, lost and told again, the server ends up with what is wanted", () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const step = fc.oneof(
    fc.record({ add: fc.array(key), remove: fc.array(key) }),
    fc.constant("told" as const),
    fc.constant("lost" as const),
    fc.constant("new session" as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const keys = new TrackedKeys(["a", "b"]);
      const wanted = new Set(["a", "b"]);
      let server = new Set(keys.all());
      for (const step of [...steps, "told" as const]) {
        if (step === "new session") server = new Set(keys.all());
        else if (typeof step === "object") {
          keys.change(step.add, step.remove);
          for (const key of step.remove) wanted.delete(key);
          for (const key of step.add) wanted.add(key);
        } else {
          const changes = keys.take();
          // Lost with its transport, it may have been heard all the same.
          for (const key of changes?.remove ?? []) server.delete(key);
          for (const key of changes?.add ?? []) server.add(key);
          if (step === "lost" && changes !== undefined) keys.restore(changes);
        }
      }
      assert.deepEqual([...server].sort(), [...wanted].sort());
    }),
    { seed: 1, numRuns: 500 },
  );
});
