import assert from "node:assert/strict";
import fc from "fast-check";
import { cutReason } from "../../src/protocol/close_reason.ts";

Deno.test("cutReason() keeps the longest start that fits, whole characters alone", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.integer({ min: 0, max: 123 }),
      (reason, maxBytes) => {
        const size = (text: string) => new TextEncoder().encode(text).length;
        const cut = cutReason(reason, maxBytes);
        assert(reason.startsWith(cut));
        assert(size(cut) <= maxBytes);
        const next = [...reason.slice(cut.length)][0];
        assert(next === undefined || size(cut + next) > maxBytes);
      },
    ),
    { seed: 23, numRuns: 100 },
  );
});
