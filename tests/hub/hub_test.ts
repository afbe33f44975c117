import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import { MAX_HELD } from "../../src/hub/channel.ts";
import { CommandError } from "../../src/protocol/error_code.ts";
import { settle } from "../fake_clock.ts";
import { type NodeOptions, TestNode } from "../session/node.ts";
import { Recorder } from "./recorder.ts";
import { UnsteadyBroker } from "./unsteady_broker.ts";

/** A hub whose broker does what a test says. */
async function unsteady(options: NodeOptions = {}): Promise<[TestNode, UnsteadyBroker]> {
  let broker: UnsteadyBroker | undefined;
  const node = await new TestNode({
    ...options,
    broker: (inner: Broker) => broker = new UnsteadyBroker(inner),
  }).start();
  return [node, broker!];
}

/** Lets the broker answer until nothing waits for it. */
async function answer(broker: UnsteadyBroker): Promise<void> {
  await settle();
  while (broker.waiting > 0) {
    broker.answer();
    await settle();
  }
}

async function subscribe(node: TestNode, broker: UnsteadyBroker, channel = "chat:a") {
  const recorder = new Recorder();
  const done = node.hub.subscribe(channel, recorder);
  await answer(broker);
  await done;
  recorder.log.length = 0;
  return recorder;
}

/** A test of a subscriber to "chat:a", whose broker does what the test says. */
function testUnsteady(
  name: string,
  run: (scene: { node: TestNode; broker: UnsteadyBroker; recorder: Recorder }) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const [node, broker] = await unsteady();
    const recorder = await subscribe(node, broker);
    await run({ node, broker, recorder });
    node.hub.unsubscribe("chat:a", recorder);
    await node.close();
  });
}

Deno.test("a publication is encoded once for all subscribers", async () => {
  const node = await new TestNode().start();
  const recorders = [new Recorder("a"), new Recorder("b")];
  for (const recorder of recorders) await node.hub.subscribe("chat:a", recorder);
  await node.publish("chat:a", "1");
  assert.equal(recorders[0]!.messages[0], recorders[1]!.messages[0]);
  assert.equal(
    recorders[0]!.messages[0]!.bytes("json"),
    recorders[1]!.messages[0]!.bytes("json"),
  );
  for (const recorder of recorders) node.hub.unsubscribe("chat:a", recorder);
  await node.close();
});

Deno.test("subscribers leave in any order, also while they are being delivered to", async () => {
  const node = await new TestNode().start();
  const recorders = Array.from({ length: 6 }, (_, at) => new Recorder(`${at}`));
  for (const recorder of recorders) await node.hub.subscribe("chat:a", recorder);
  const leave = (at: number) => node.hub.unsubscribe("chat:a", recorders[at]!);
  leave(0);
  leave(5);
  recorders[4]!.onDeliver = () => {
    leave(4);
    leave(1);
  };
  recorders[2]!.onDeliver = () => leave(2);
  await node.publish("chat:a", "1");
  await node.publish("chat:a", "2");
  assert.deepEqual(recorders.map(({ log }) => log.filter((entry) => /^\d+$/.test(entry)).length), [
    0,
    recorders[1]!.log.length - 1,
    1,
    2,
    1,
    0,
  ]);
  leave(3);
  assert.equal(node.hub.channels, 0);
  await node.close();
});

Deno.test("a subscriber that throws is reported, and the others and the publisher go on", async () => {
  const node = await new TestNode().start();
  const bad = new Recorder("bad");
  bad.onDeliver = () => {
    throw new Error("broken subscriber");
  };
  const good = new Recorder("good");
  await node.hub.subscribe("chat:a", good);
  await node.hub.subscribe("chat:a", bad);
  await node.publish("chat:a", "1");
  assert.deepEqual(good.log, ["begin 0", "1"]);
  assert.equal((node.errors[0] as Error).message, "broken subscriber");
  for (const recorder of [bad, good]) node.hub.unsubscribe("chat:a", recorder);
  await node.close();
});

Deno.test("what is published within a delivery comes after it, for everyone", async () => {
  const node = await new TestNode().start();
  const recorders = [new Recorder("a"), new Recorder("b")];
  for (const recorder of recorders) await node.hub.subscribe("chat:a", recorder);
  recorders[1]!.onDeliver = () => {
    recorders[1]!.onDeliver = undefined;
    void node.publish("chat:a", "2");
  };
  await node.publish("chat:a", "1");
  for (const { log } of recorders) assert.deepEqual(log, ["begin 0", "1", "2"]);
  for (const recorder of recorders) node.hub.unsubscribe("chat:a", recorder);
  await node.close();
});

Deno.test("a subscriber that leaves while it is joining hears nothing and leaves nothing", async () => {
  for (const answers of [0, 1, 2]) {
    const [node, broker] = await unsteady();
    await node.publish("chat:a", "1");
    const recorder = new Recorder();
    const done = node.hub.subscribe("chat:a", recorder, { epoch: "e", offset: 0 });
    for (let at = 0; at < answers; at++) {
      await settle();
      broker.answer();
      await settle();
    }
    node.hub.unsubscribe("chat:a", recorder);
    assert.equal(node.hub.channels, 0);
    await answer(broker);
    await done;
    assert.deepEqual(recorder.log, []);
    assert.equal(recorder.slot, -1);
    await node.close();
  }
});

Deno.test("a subscriber that leaves while it recovers does not join a living channel", async () => {
  const [node, broker] = await unsteady();
  const other = await subscribe(node, broker);
  await node.publish("chat:a", "1");
  broker.deliver();
  const recorder = new Recorder();
  const done = node.hub.subscribe("chat:a", recorder, { epoch: "other", offset: 0 });
  await settle();
  node.hub.unsubscribe("chat:a", recorder);
  await answer(broker);
  await done;
  await node.publish("chat:a", "2");
  broker.deliver();
  assert.deepEqual(recorder.log, []);
  assert.deepEqual(other.log, ["1", "2"]);
  node.hub.unsubscribe("chat:a", other);
  await node.close();
});

Deno.test("between history and live delivery nothing is missing and nothing comes twice", async () => {
  const [node, broker] = await unsteady();
  const other = await subscribe(node, broker);
  for (const value of ["1", "2", "3"]) await node.publish("chat:a", value);
  broker.deliver();
  const { epoch } = other.start!.position;
  const recorder = new Recorder();
  const done = node.hub.subscribe("chat:a", recorder, { epoch, offset: 1 });
  await settle();
  // After the broker has read, before its answer is here.
  await node.publish("chat:a", "4");
  broker.deliver();
  await node.publish("chat:a", "5");
  await answer(broker);
  await done;
  broker.deliver();
  assert.deepEqual(recorder.log, ["begin 4", "replay 2", "replay 3", "replay 4", "5"]);
  for (const each of [recorder, other]) node.hub.unsubscribe("chat:a", each);
  await node.close();
});

Deno.test("history that is ahead of live delivery is not delivered again", async () => {
  const [node, broker] = await unsteady();
  const other = await subscribe(node, broker);
  for (const value of ["1", "2"]) await node.publish("chat:a", value);
  const recorder = new Recorder();
  const { epoch } = other.start!.position;
  const done = node.hub.subscribe("chat:a", recorder, { epoch, offset: 1 });
  await answer(broker);
  await done;
  broker.deliver();
  await node.publish("chat:a", "3");
  broker.deliver();
  assert.deepEqual(recorder.log, ["begin 2", "replay 2", "3"]);
  assert.deepEqual(other.log, ["1", "2", "3"]);
  for (const each of [recorder, other]) node.hub.unsubscribe("chat:a", each);
  await node.close();
});

Deno.test("a channel that outruns its recovery says so instead of leaving a hole", async () => {
  const [node, broker] = await unsteady();
  const other = await subscribe(node, broker);
  await node.publish("chat:a", "1");
  broker.deliver();
  const recorder = new Recorder();
  const { epoch } = other.start!.position;
  const done = node.hub.subscribe("chat:a", recorder, { epoch, offset: 0 });
  for (let round = 0; round < 4; round++) {
    await settle();
    for (let at = 0; at < 2 * MAX_HELD; at++) await node.publish("chat:a", "x");
    broker.deliver();
    broker.answer();
  }
  await answer(broker);
  await done;
  assert.match(recorder.log[0]!, /^begin \d+ unrecovered$/);
  const start = recorder.start!.position.offset;
  await node.publish("chat:a", "last");
  broker.deliver();
  assert.equal(recorder.log.at(-1), other.log.at(-1));
  const offsets = recorder.log.slice(1).map((entry) => Number(entry.split(" ").at(-1)));
  assert.deepEqual(offsets, offsets.map((_, at) => offsets[0]! + at));
  assert(offsets[0]! <= start + 1);
  for (const each of [recorder, other]) node.hub.unsubscribe("chat:a", each);
  await node.close();
});

testUnsteady(
  "a hole in the offsets is healed from history, in order",
  async ({ node, broker, recorder }) => {
    await node.publish("chat:a", "1");
    broker.deliver();
    await node.publish("chat:a", "2");
    broker.lose();
    await node.publish("chat:a", "3");
    broker.deliver();
    await node.publish("chat:a", "4");
    broker.deliver();
    assert.deepEqual(recorder.log, ["1"]);
    await answer(broker);
    assert.deepEqual(recorder.log, ["1", "2", "3", "4"]);
  },
);

Deno.test("a hole that history does not cover is said as a gap", async () => {
  for (const historySize of [0, 2]) {
    const [node, broker] = await unsteady({ namespaces: { chat: { historySize } } });
    const recorder = await subscribe(node, broker);
    for (let at = 0; at < 5; at++) await node.publish("chat:a", "lost");
    broker.lose();
    await node.publish("chat:a", "6");
    broker.deliver();
    await answer(broker);
    assert.deepEqual(recorder.log, historySize === 0 ? ["gap 5", "6"] : ["gap 4", "5", "6"]);
    node.hub.unsubscribe("chat:a", recorder);
    await node.close();
  }
});

testUnsteady(
  "what the broker says was interrupted is read, though nothing follows",
  async ({ node, broker, recorder }) => {
    await node.publish("chat:a", "1");
    broker.lose();
    await broker.interrupt();
    await answer(broker);
    assert.deepEqual(recorder.log, ["1"]);
    await broker.interrupt();
    assert.equal(broker.waiting, 0, "nothing is missing, so nothing is read");
  },
);

Deno.test("an interruption during a read is read after it", async () => {
  const [node, broker] = await unsteady();
  const recorder = new Recorder();
  const done = node.hub.subscribe("chat:a", recorder);
  await settle();
  broker.answer();
  await settle();
  await node.publish("chat:a", "1");
  broker.lose();
  await broker.interrupt();
  await answer(broker);
  await done;
  assert.deepEqual(recorder.log.at(-1), "1");
  node.hub.unsubscribe("chat:a", recorder);
  await node.close();
});

testUnsteady(
  "a broker that is gone is asked again, and then everything is healed",
  async ({ node, broker, recorder }) => {
    await node.publish("chat:a", "1");
    broker.lose();
    await node.publish("chat:a", "2");
    broker.deliver();
    broker.down = true;
    for (let at = 0; at < 20; at++) {
      await answer(broker);
      await node.clock.advanceAsync(5000);
    }
    assert.equal(node.errors.length, 1, "one report, not one for each attempt");
    broker.down = false;
    await answer(broker);
    await node.clock.advanceAsync(5000);
    await answer(broker);
    assert.deepEqual(recorder.log, ["1", "2"]);
  },
);

Deno.test("a channel that is left while its broker is gone stops asking", async () => {
  const [node, broker] = await unsteady();
  const recorder = await subscribe(node, broker);
  broker.down = true;
  await node.publish("chat:a", "1");
  broker.lose();
  await broker.interrupt();
  await answer(broker);
  node.hub.unsubscribe("chat:a", recorder);
  await node.clock.advanceAsync(10_000);
  assert.equal(broker.waiting, 0);
  await node.close();
  assert.equal(node.clock.pendingTimers, 0);
});

Deno.test("a subscription that the broker refuses is an error and leaves nothing", async () => {
  const [node, broker] = await unsteady();
  broker.down = true;
  const recorder = new Recorder();
  const refused = assert.rejects(node.hub.subscribe("chat:a", recorder), (error) => {
    assert(error instanceof CommandError);
    assert.equal(error.code, 503);
    return true;
  });
  await answer(broker);
  await refused;
  assert.equal(node.hub.channels, 0);
  broker.down = false;
  assert.deepEqual((await subscribe(node, broker)).start!.position.offset, 0);
  await node.sessions.close();
});

testUnsteady(
  "a history that begins anew is said as a gap and delivered from its start",
  async ({ node, broker, recorder }) => {
    await node.publish("chat:a", "1");
    broker.deliver();
    node.store.forget("chat:a");
    await node.publish("chat:a", "new");
    broker.lose();
    await broker.interrupt();
    await answer(broker);
    assert.deepEqual(recorder.log, ["1", "gap 0", "1"]);
  },
);

Deno.test("a latest channel that missed something reads what is newest", async () => {
  const [node, broker] = await unsteady();
  const recorder = await subscribe(node, broker, "cursors:a");
  for (const key of ["a", "b", "a"]) await node.publish("cursors:a", "x", key);
  broker.lose();
  await node.publish("cursors:a", "x", "c");
  broker.deliver();
  await answer(broker);
  assert.deepEqual(recorder.log, ["2", "3", "4"]);
  node.hub.unsubscribe("cursors:a", recorder);
  await node.close();
});

Deno.test("more than a healing channel holds is read again, and nothing is lost", async () => {
  const [node, broker] = await unsteady({ namespaces: { chat: { historySize: 10_000 } } });
  const recorder = await subscribe(node, broker);
  await node.publish("chat:a", "1");
  broker.lose();
  await node.publish("chat:a", "2");
  broker.deliver();
  for (let at = 3; at <= 3 * MAX_HELD; at++) await node.publish("chat:a", "x");
  broker.deliver();
  await answer(broker);
  const expected = Array.from({ length: 3 * MAX_HELD }, (_, at) => `${at + 1}`);
  assert.deepEqual(recorder.log, expected);
  node.hub.unsubscribe("chat:a", recorder);
  await node.close();
});

Deno.test("a history that lags behind its own deliveries is not asked forever", async () => {
  class LaggingBroker extends UnsteadyBroker {
    override async history(...args: Parameters<Broker["history"]>) {
      const page = await super.history(...args);
      return { publications: [], position: { ...page.position, offset: 0 }, complete: true };
    }
  }
  let broker: UnsteadyBroker | undefined;
  const node = await new TestNode({
    broker: (inner) => broker = new LaggingBroker(inner),
  }).start();
  const recorder = await subscribe(node, broker!);
  await node.publish("chat:a", "1");
  broker!.lose();
  await node.publish("chat:a", "2");
  broker!.deliver();
  await answer(broker!);
  assert.deepEqual(recorder.log, ["gap 1", "2"]);
  node.hub.unsubscribe("chat:a", recorder);
  await node.close();
});

Deno.test("a recovery during which the history begins anew starts in the new one", async () => {
  const [node, broker] = await unsteady();
  const other = await subscribe(node, broker);
  for (const value of ["1", "2"]) await node.publish("chat:a", value);
  broker.deliver();
  const recorder = new Recorder();
  const { epoch } = other.start!.position;
  const done = node.hub.subscribe("chat:a", recorder, { epoch, offset: 0 });
  await settle();
  await broker.restart("chat:a", (name) => node.store.forget(name));
  await node.publish("chat:a", "new");
  broker.deliver();
  broker.answerLast();
  await settle();
  assert.deepEqual(recorder.log, []);
  await answer(broker);
  await done;
  assert.notEqual(recorder.start!.position.epoch, epoch);
  assert.deepEqual(recorder.log, ["begin 1 unrecovered", "replay 1"]);
  assert.deepEqual(other.log, ["1", "2", "gap 0", "1"]);
  await node.publish("chat:a", "2");
  broker.deliver();
  assert.equal(recorder.log.at(-1), "2");
  for (const each of [recorder, other]) node.hub.unsubscribe("chat:a", each);
  await node.close();
});

Deno.test("the values of a latest channel end with their history", async () => {
  const [node, broker] = await unsteady();
  const recorder = await subscribe(node, broker, "cursors:a");
  await node.publish("cursors:a", "x", "old");
  broker.deliver();
  await broker.restart("cursors:a", (name) => node.store.forget(name));
  await node.publish("cursors:a", "x", "new");
  broker.deliver();
  await answer(broker);
  const late = new Recorder();
  await node.hub.subscribe("cursors:a", late);
  assert.deepEqual(late.log, ["begin 1", "replay 1"]);
  assert.deepEqual(recorder.log, ["1", "gap 0", "1"]);
  for (const each of [recorder, late]) node.hub.unsubscribe("cursors:a", each);
  await node.close();
});

testUnsteady(
  "what was held of a history that is gone does not slip into the new one",
  async ({ node, broker, recorder }) => {
    await node.publish("chat:a", "1");
    broker.lose();
    await node.publish("chat:a", "2");
    broker.deliver();
    await broker.restart("chat:a", (name) => node.store.forget(name));
    await node.publish("chat:a", "new");
    await answer(broker);
    assert.deepEqual(recorder.log, ["1", "2", "gap 0", "1"]);
  },
);
