import assert from "node:assert/strict";
import { runIteration } from "./run.ts";
import { Finding, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const ITERATIONS = 4000;

for (const target of TARGETS) {
  Deno.test(`fuzz: ${target.name} survives ${ITERATIONS} mutations`, () => {
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      assert.equal(runIteration(target, 1, iteration), undefined);
    }
  });

  Deno.test(`fuzz: ${target.name} accepts its corpus`, () => {
    const accepted = target.corpus.filter((input) => {
      try {
        target.parse(input, () => 0);
        return true;
      } catch (error) {
        if (!target.allows(error)) throw error;
        return false;
      }
    });
    // A corpus of rejected inputs alone would fuzz nothing but the first check. A control stream
    // has no valid end, so its parser always ends with an error.
    assert(accepted.length > 0 || target.name.includes("control stream"));
  });
}

Deno.test("fuzz: an error that a parser does not document is a failure with its input", () => {
  const target: Target = {
    name: "broken",
    corpus: [Uint8Array.of(1, 2, 3)],
    allows: (error) => error instanceof Finding,
    parse: (input) => {
      if (input.length > 3) throw new TypeError("broken");
    },
  };
  const failures = Array.from(
    { length: 100 },
    (_, iteration) => runIteration(target, 1, iteration),
  );
  const failure = failures.find((failure) => failure !== undefined);
  assert.match(failure!.what, /TypeError: broken/);
  assert(failure!.input.length > 6);
  assert.deepEqual(runIteration(target, 1, failure!.iteration)!.input, failure!.input);
});
