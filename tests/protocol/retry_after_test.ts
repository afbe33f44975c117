import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { cutReason, MAX_WEBSOCKET_REASON_BYTES } from "../../src/protocol/close_reason.ts";
import { overloadedReason, retryAfterOf } from "../../src/protocol/retry_after.ts";

const { OVERLOADED, SHUTDOWN } = CloseCode;

Deno.test("the wait in a reason is read as it was written, rounded up", () => {
  for (const [ms, read] of [[0, 0], [0.2, 1], [7000, 7000], [89_999.5, 90_000]] as const) {
    assert.equal(retryAfterOf({ code: OVERLOADED, reason: overloadedReason("Full", ms) }), read);
  }
});

Deno.test("the wait survives the cut to what a WebSocket carries", () => {
  const reason = overloadedReason("Too many sessions come from this address", 90_000);
  assert.equal(cutReason(reason, MAX_WEBSOCKET_REASON_BYTES), reason);
});

const NONE: readonly [code: number, reason: string][] = [
  [OVERLOADED, ""],
  [OVERLOADED, "Full"],
  [OVERLOADED, "; retry after -5 ms"],
  [OVERLOADED, "; retry after 5 ms, or not"],
  [OVERLOADED, "; retry after 99999999 ms"],
  [SHUTDOWN, "; retry after 5 ms"],
];
for (const [code, reason] of NONE) {
  Deno.test(`${code} ${JSON.stringify(reason)} asks for no wait`, () => {
    assert.equal(retryAfterOf({ code, reason }), 0);
  });
}
