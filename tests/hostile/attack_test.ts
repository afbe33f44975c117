import assert from "node:assert/strict";
import { runAttack } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";
import { MESSAGES_PER_VISIT } from "./visit.ts";

const MESSAGES = 2000;

Deno.test("malformed messages over every transport hurt no honest session, and leave nothing behind", async () => {
  const { results, troubles, honestPublications } = await runAttack({
    messages: MESSAGES,
    seed: 1,
    calmMs: 200,
  });
  assert.deepEqual(troubles, []);
  assert.ok(honestPublications > 0);
  let opened = 0;
  for (const [name, { share }] of Object.entries(ATTACKS)) {
    const { messages, connections } = results[name]!;
    assert.ok(messages >= share * MESSAGES, `${name}: ${messages}`);
    opened += connections;
  }
  // A server that took everything would have been left after as many messages as one may send.
  assert.ok(opened > 2 * MESSAGES / MESSAGES_PER_VISIT, `${opened}`);
});
