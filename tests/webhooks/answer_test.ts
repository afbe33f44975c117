import fc from "fast-check";
import assert from "node:assert/strict";
import { CommandError } from "../../src/protocol/error_code.ts";
import {
  AnswerError,
  readConnectAnswer,
  readPublishAnswer,
  readRpcAnswer,
  readSubscribeAnswer,
} from "../../src/webhooks/answer.ts";

const READERS = { readConnectAnswer, readSubscribeAnswer, readPublishAnswer, readRpcAnswer };

const answers = fc.oneof(
  fc.uint8Array({ maxLength: 50 }),
  fc.json().map((text) => new TextEncoder().encode(text)),
  fc.record({
    refuse: fc.oneof(fc.jsonValue(), fc.record({ code: fc.jsonValue(), message: fc.jsonValue() })),
    user: fc.jsonValue(),
    info: fc.jsonValue(),
    data: fc.jsonValue(),
    base64: fc.oneof(fc.jsonValue(), fc.base64String()),
  }, { requiredKeys: [] }).map((value) => new TextEncoder().encode(JSON.stringify(value))),
);

for (const [name, read] of Object.entries(READERS)) {
  Deno.test(`${name}() takes any bytes for a yes, a no, or no answer, and never a no for a yes`, () => {
    fc.assert(
      fc.property(answers, (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          assert.ok(error instanceof AnswerError || error instanceof CommandError, String(error));
          return;
        }
        // Nothing that says "refuse" at its top was let through.
        if (bytes.length === 0) return;
        const answer = JSON.parse(new TextDecoder().decode(bytes));
        assert.ok(!Object.hasOwn(answer, "refuse"));
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
}
