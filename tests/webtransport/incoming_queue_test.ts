import assert from "node:assert/strict";
import { IncomingQueue } from "../../src/webtransport/incoming_queue.ts";

Deno.test("IncomingQueue gives its items in order, whether they or the reader come first", async () => {
  const queue = new IncomingQueue<number>(4, same);
  queue.push(1);
  const reader = queue.readable.getReader();
  queue.push(2);
  assert.equal((await reader.read()).value, 1);
  assert.equal((await reader.read()).value, 2);
  const third = reader.read();
  await Promise.resolve();
  queue.push(3);
  queue.push(4);
  assert.equal((await third).value, 3);
  assert.equal((await reader.read()).value, 4);
});

Deno.test("IncomingQueue.push() displaces the oldest item over the limit", async () => {
  const queue = new IncomingQueue<number>(2, same);
  assert.deepEqual([1, 2, 3, 4].map((item) => queue.push(item)), [
    undefined,
    undefined,
    1,
    2,
  ]);
  const reader = queue.readable.getReader();
  assert.equal((await reader.read()).value, 3);
  assert.equal((await reader.read()).value, 4);
});

Deno.test("IncomingQueue.push() gives back what nobody will read", async () => {
  const queue = new IncomingQueue<number>(2, same);
  queue.push(1);
  await queue.readable.cancel();
  assert.equal(queue.push(2), 2);
  const closed = new IncomingQueue<number>(2, same);
  closed.close();
  assert.equal(closed.push(3), 3);
});

Deno.test("IncomingQueue.close() ends the readable, one that waits and one made later", async () => {
  const queue = new IncomingQueue<number>(2, same);
  const reading = queue.readable.getReader().read();
  queue.close();
  assert.equal((await reading).done, true);
  const late = new IncomingQueue<number>(2, same);
  late.push(1);
  late.close();
  assert.equal((await late.readable.getReader().read()).done, true);
});

Deno.test("IncomingQueue.fail() ends the readable with the error; the first end counts", async () => {
  const error = new Error("gone");
  const queue = new IncomingQueue<number>(2, same);
  const reading = queue.readable.getReader().read();
  queue.fail(error);
  queue.close();
  await assert.rejects(reading, error);
  const late = new IncomingQueue<number>(2, same);
  late.fail(error);
  await assert.rejects(late.readable.getReader().read(), error);
});

Deno.test("IncomingQueue.drain() takes what waits", async () => {
  const queue = new IncomingQueue<number>(4, same);
  queue.push(1);
  queue.push(2);
  assert.deepEqual(queue.drain(), [1, 2]);
  queue.push(3);
  assert.equal((await queue.readable.getReader().read()).value, 3);
});

const same = (item: number) => item;
