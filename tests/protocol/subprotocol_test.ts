import assert from "node:assert/strict";
import { encodingOf, SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";

Deno.test("the first subprotocol of ours that a client offers decides the dialect", () => {
  assert.equal(encodingOf([SUBPROTOCOL.json, SUBPROTOCOL.binary]), "json");
  assert.equal(encodingOf(["chat", SUBPROTOCOL.binary]), "binary");
  assert.equal(encodingOf(["chat", "slipstream.v2.json"]), undefined);
  assert.equal(encodingOf([]), undefined);
});
