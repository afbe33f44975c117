import assert from "node:assert/strict";
import { Preference, type PreferenceStorage } from "../../src/client/preference.ts";

const HOUR_MS = 3_600_000;

function storage(): PreferenceStorage {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

/** Origins differ from test to test: a page's memory is shared by all its clients. */
let origins = 0;
const newOrigin = () => `https://${origins++}.test`;

Deno.test("what worked is remembered for an hour, and using it again adds nothing", () => {
  let nowMs = 1_000_000;
  const preference = new Preference(newOrigin(), storage(), () => nowMs);
  assert.equal(preference.recall(), undefined);
  preference.remember("websocket");
  nowMs += HOUR_MS - 1;
  assert.equal(preference.recall(), "websocket");
  preference.remember("websocket");
  nowMs += 1;
  assert.equal(preference.recall(), undefined);
});

Deno.test("a clock that was set back forgets what seems to be remembered for longer", () => {
  let nowMs = 10 * HOUR_MS;
  const preference = new Preference(newOrigin(), undefined, () => nowMs);
  preference.remember("sse");
  nowMs -= 1;
  assert.equal(preference.recall(), undefined);
});

Deno.test("storage that is full, forbidden or holds anything else does no harm", () => {
  const forbidden: PreferenceStorage = {
    getItem: () => {
      throw new Error("SecurityError");
    },
    setItem: () => {
      throw new Error("QuotaExceededError");
    },
    removeItem: () => {
      throw new Error("SecurityError");
    },
  };
  const preference = new Preference(newOrigin(), forbidden, () => 1);
  assert.equal(preference.recall(), undefined);
  preference.remember("sse");
  assert.equal(preference.recall(), "sse");
  preference.forget();
  assert.equal(preference.recall(), undefined);
  const strange = { getItem: () => "pigeon post", setItem: () => {}, removeItem: () => {} };
  assert.equal(new Preference(newOrigin(), strange, () => 1).recall(), undefined);
});
