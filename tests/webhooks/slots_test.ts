import assert from "node:assert/strict";
import { Slots } from "../../src/webhooks/slots.ts";
import { settle } from "../fake_clock.ts";

/** Slots of which each taker is noted with what it got. */
function create(count: number, maxWaiting: number) {
  const slots = new Slots(count, maxWaiting);
  const got: string[] = [];
  const take = (owner: string, signal = new AbortController().signal) =>
    slots.take(owner, signal).then(
      (has) => got.push(has ? owner : `${owner}: no`),
      (reason) => got.push(`${owner}: ${reason}`),
    );
  return { slots, got, take };
}

Deno.test("slots that are free are there at once, and those who wait get them in turns of owners", async () => {
  const { slots, got, take } = create(2, 10);
  for (const owner of ["a", "a", "a", "a", "a", "b", "c", "b"]) void take(owner);
  await settle();
  assert.deepEqual(got, ["a", "a"]);
  assert.deepEqual([slots.taken, slots.waiting], [2, 6]);
  for (let i = 0; i < 6; i++) {
    slots.release();
    await settle();
  }
  assert.deepEqual(got.slice(2), ["a", "b", "c", "a", "b", "a"]);
  slots.release();
  slots.release();
  assert.deepEqual([slots.taken, slots.waiting], [0, 0]);
});

Deno.test("in a full line the one goes whose owner has most in it", async () => {
  const { slots, got, take } = create(1, 3);
  for (const owner of ["a", "a", "a", "a"]) void take(owner);
  await settle();
  assert.deepEqual([got, slots.waiting], [["a"], 3]);
  void take("a");
  await settle();
  assert.deepEqual(got.splice(0), ["a", "a: no"]);
  void take("b");
  await settle();
  assert.deepEqual(got.splice(0), ["a: no"], "the newest of a");
  // Now a has two, and b as many would be no better.
  void take("b");
  await settle();
  assert.deepEqual(got.splice(0), ["b: no"]);
  for (let i = 0; i < 3; i++) slots.release();
  await settle();
  assert.deepEqual(got, ["a", "b", "a"]);
});

Deno.test("who gives up has no place in the line, nor a slot", async () => {
  const { slots, got, take } = create(1, 10);
  void take("a");
  const controller = new AbortController();
  void take("b", controller.signal);
  void take("c");
  controller.abort("too late");
  await settle();
  assert.deepEqual([got, slots.waiting], [["a", "b: too late"], 1]);
  slots.release();
  await settle();
  assert.deepEqual(got.at(-1), "c");
  void take("d", controller.signal);
  await settle();
  assert.deepEqual([got.at(-1), slots.waiting], ["d: too late", 0]);
});

Deno.test("a slot that comes at the moment of giving up is not lost", async () => {
  const { slots, got, take } = create(1, 10);
  void take("a");
  const controller = new AbortController();
  void take("b", controller.signal);
  await settle();
  slots.release();
  controller.abort("too late");
  await settle();
  // It has the slot, and finds its signal aborted when it goes on.
  assert.deepEqual([got, slots.taken], [["a", "b"], 1]);
});
