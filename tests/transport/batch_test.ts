import assert from "node:assert/strict";
import { EncodedMessage } from "../../src/protocol/encoded_message.ts";
import { binaryBatch, eventBatch, SharedBatch, textBatch } from "../../src/transport/batch.ts";

const ping = (id: number) => new EncodedMessage({ type: "ping", id });

Deno.test("lists of the same messages share one join", () => {
  let joins = 0;
  const batch = new SharedBatch((messages) => {
    joins++;
    return messages.length;
  });
  const [a, b, c] = [ping(1), ping(2), ping(3)];
  const list = [a, b];
  assert.equal(batch.of(list), 2);
  assert.equal(batch.of([a, b]), 2);
  assert.equal(joins, 1);
  // A queue is emptied after its write, and filled again.
  list.length = 0;
  list.push(c);
  assert.equal(batch.of(list), 1);
  assert.equal(batch.of([a, b]), 2);
  assert.equal(batch.of([b, a]), 2);
  assert.equal(batch.of([a, b, c]), 3);
  assert.equal(joins, 5);
});

Deno.test("equal messages that were encoded apart are not taken for the same", () => {
  const first = binaryBatch.of([ping(1), ping(2)]);
  assert.notEqual(binaryBatch.of([ping(1), ping(2)]), first);
});

Deno.test("a single frame is sent as it was encoded, without a copy", () => {
  const message = ping(1);
  assert.equal(binaryBatch.of([message]), message.bytes("binary"));
});

Deno.test("each kind of batch joins in its own way", () => {
  const messages = [ping(1), ping(2)];
  assert.deepEqual([...binaryBatch.of(messages)], [2, 8, 1, 2, 8, 2]);
  const lines = ['{"type":"ping","id":1}', '{"type":"ping","id":2}'];
  assert.equal(textBatch.of(messages), lines.join("\n"));
  assert.equal(
    new TextDecoder().decode(eventBatch.of(messages)),
    `data: ${lines[0]}\ndata: ${lines[1]}\n\n`,
  );
});
