import assert from "node:assert/strict";
import { Commands } from "../../src/client/commands.ts";
import { OutcomeUnknownError } from "../../src/client/errors.ts";
import { CommandError } from "../../src/protocol/error_code.ts";
import type { ClientMessage } from "../../src/protocol/message.ts";
import { settle } from "../fake_clock.ts";

const DATA = { format: "binary", bytes: new Uint8Array(10) } as const;
const PUBLISH = { type: "publish", channel: "chat:a", data: DATA } as const;
const HISTORY = { type: "history", channel: "chat:a", limit: 1 } as const;
const RPC = { type: "rpc", method: "add", data: DATA } as const;
const POSITION = { epoch: "e", offset: 1 };

function commands(limits = { maxPendingCommands: 1000, maxPendingBytes: 100_000 }) {
  const sent: ClientMessage[] = [];
  const commands = new Commands(limits, (message) => sent.push(message));
  const ids = () => sent.map((message) => "id" in message ? message.id : -1);
  return { commands, sent, ids };
}

/** How a promise stands: its value, its error, or "waits". */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  let state: unknown = "waits";
  promise.then((value) => state = value, (error) => state = error);
  await settle();
  return state;
}

Deno.test("commands wait until there is a session, then leave in their order", async () => {
  const { commands: waiting, ids } = commands();
  const reply = waiting.request(PUBLISH);
  const announced = waiting.announce(PUBLISH);
  waiting.request(HISTORY).catch(() => {});
  assert.deepEqual(ids(), []);
  waiting.open(false);
  assert.deepEqual(ids(), [1, 0, 2]);
  assert.equal(await stateOf(announced), undefined);
  assert.equal(await stateOf(reply), "waits");
  waiting.settle({ type: "published", id: 1, position: POSITION });
  assert.deepEqual((await reply).position, POSITION);
});

Deno.test("an error reply rejects with its code, and unknown answers are ignored", async () => {
  const { commands: open } = commands();
  open.open(false);
  const reply = open.request(PUBLISH);
  open.settle({ type: "published", id: 77, position: POSITION });
  open.settle({ type: "error", id: 1, code: 403, message: "No" });
  await assert.rejects(reply, new CommandError(403, "No"));
  open.settle({ type: "error", id: 1, code: 403, message: "No" });
  assert.equal(open.size, 0);
});

Deno.test("what waits is bounded in count and in bytes; more is rejected, less goes on", async () => {
  const byCount = commands({ maxPendingCommands: 2, maxPendingBytes: 1000 }).commands;
  const replies = [byCount.request(HISTORY), byCount.request(HISTORY)];
  await assert.rejects(byCount.request(HISTORY), { name: "CommandError", code: 429 });
  byCount.open(false);
  byCount.settle({ type: "error", id: 1, code: 404, message: "" });
  await assert.rejects(replies[0]!);
  assert.equal(await stateOf(byCount.request(HISTORY)), "waits");

  const byBytes = commands({ maxPendingCommands: 9, maxPendingBytes: 25 }).commands;
  assert.equal(await stateOf(byBytes.request(PUBLISH)), "waits");
  assert.equal(await stateOf(byBytes.announce(PUBLISH)), "waits");
  await assert.rejects(byBytes.request(PUBLISH), { name: "CommandError", code: 429 });
  byBytes.open(false);
  assert.equal(await stateOf(byBytes.request(PUBLISH)), "waits");
});

Deno.test("no more than 64 commands are in flight at once", () => {
  const { commands: open, ids } = commands();
  open.open(false);
  for (let count = 0; count < 100; count++) open.request(PUBLISH).catch(() => {});
  assert.equal(ids().length, 64);
  open.settle({ type: "published", id: 10, position: POSITION });
  open.settle({ type: "published", id: 3, position: POSITION });
  assert.deepEqual(ids().slice(64), [65, 66]);
});

Deno.test("a resumed session gets publications and queries again under their old IDs", async () => {
  const { commands: open, sent, ids } = commands();
  open.open(false);
  const publish = open.request(PUBLISH);
  const history = open.request(HISTORY);
  const rpc = open.request(RPC);
  open.interrupt();
  assert((await stateOf(rpc)) instanceof OutcomeUnknownError);
  const later = open.request(PUBLISH);
  assert.equal(sent.length, 3);
  open.open(true);
  assert.deepEqual(ids().slice(3), [1, 2, 4]);
  for (const promise of [publish, history, later]) assert.equal(await stateOf(promise), "waits");
});

Deno.test("a new session gets no publication that may have been taken, but all others", async () => {
  const { commands: open, ids } = commands();
  open.open(false);
  const doubtful = open.request(PUBLISH);
  open.request(HISTORY).catch(() => {});
  open.interrupt();
  open.request(PUBLISH).catch(() => {});
  open.open(false);
  assert((await stateOf(doubtful)) instanceof OutcomeUnknownError);
  assert.deepEqual(ids().slice(2), [2, 3]);
});

Deno.test("the answer to a command that was sent again resolves it", async () => {
  const { commands: open } = commands();
  open.open(false);
  const publish = open.request(PUBLISH);
  open.interrupt();
  open.open(true);
  open.settle({ type: "published", id: 1, position: POSITION });
  assert.deepEqual((await publish).position, POSITION);
});

Deno.test("a command that can never be sent is rejected, and holds up no other", async () => {
  const refused = new RangeError("too large");
  const waiting = new Commands({ maxPendingCommands: 9, maxPendingBytes: 99 }, (message) => {
    if (message.type === "publish") throw refused;
  });
  const publish = waiting.request(PUBLISH);
  const history = waiting.request(HISTORY);
  waiting.open(false);
  assert.equal(await stateOf(publish), refused);
  assert.equal(await stateOf(history), "waits");
  assert.equal(waiting.size, 1);
});

Deno.test("everything that waits is rejected when the client is closed", async () => {
  const { commands: waiting } = commands();
  const error = new Error("closed");
  const all = [waiting.request(PUBLISH), waiting.announce(PUBLISH), waiting.request(RPC)];
  waiting.fail(error);
  for (const promise of all) await assert.rejects(promise, error);
  assert.equal(waiting.size, 0);
});
