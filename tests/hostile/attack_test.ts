import assert from "node:assert/strict";
import { runAttack } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";

const MESSAGES = 2000;

Deno.test("malformed messages over every transport hurt no honest session, and leave nothing behind", async () => {
  const { results, troubles, honestPublications } = await runAttack({
    messages: MESSAGES,
    seed: 1,
    calmMs: 200,
  });
  assert.deepEqual(troubles, []);
  assert.ok(honestPublications > 0);
  for (const [name, { share }] of Object.entries(ATTACKS)) {
    const { messages, outcomes } = results[name]!;
    assert.ok(messages >= share * MESSAGES, `${name}: ${messages}`);
    // A server that took everything would not have been attacked.
    assert.ok(Object.keys(outcomes).length > 1, `${name}: ${JSON.stringify(outcomes)}`);
  }
});
