import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { HeldValues } from "../../src/session/limits/held_values.ts";
import { TimerWheel } from "../../src/policy/timer_wheel.ts";
import type { Publish } from "../../src/protocol/message.ts";
import { FakeClock } from "../fake_clock.ts";
import { TestNode, text, textOf } from "./node.ts";
import { TestClient } from "./test_client.ts";

const RATE = { maxCommandsPerSecond: 10, commandBurst: 20 };

function value(key: string, data: string, id = 0): Publish {
  return { type: "publish", id, channel: "cursors:a", key, data: text(data) };
}

/** A node, one that publishes and has 19 tokens left, and one that reads. */
async function open(session = {}) {
  const node = await new TestNode({ session: { ...RATE, ...session } }).start();
  const reader = new TestClient();
  reader.connect(node, { maxDatagramSize: 0 });
  reader.subscribe("cursors:a");
  const writer = new TestClient();
  writer.connect(node);
  await node.turn();
  const seen = () =>
    reader.take().flatMap((m) => m.type === "publication" ? [`${m.key}${textOf(m.data)}`] : []);
  seen();
  return { node, reader, writer, seen };
}

Deno.test("of values over the command rate the newest of each key goes on when the rate allows it", async () => {
  const { node, writer, seen } = await open();
  for (let at = 0; at < 20; at++) writer.send(value("k", `${at}`));
  await node.turn();
  assert.equal(seen().at(-1), "k19");
  for (let at = 20; at < 25; at++) {
    writer.send(value("k", `${at}`));
    writer.send(value("l", `${at}`));
  }
  await node.turn();
  assert.deepEqual(seen(), []);
  assert.equal(node.sessions.refusedCommands, 8);
  await node.advance(250);
  assert.deepEqual(seen(), ["k24", "l24"]);
  await node.advance(10_000);
  assert.deepEqual(seen(), []);
  assert.equal(node.sessions.refusedCommands, 8);
  await node.close();
});

Deno.test("a client that stays over the rate starves none of its keys", async () => {
  const { node, writer, seen } = await open();
  let sent = 0;
  const keys = ["a", "b", "c", "d", "e"];
  for (let at = 0; at < 100; at++) {
    // 15 a second and 10 tokens, in the order that would always give them to the same.
    for (const key of at % 3 === 0 ? keys : []) writer.send(value(key, `${++sent}`));
    await node.advance(100);
  }
  assert.equal(writer.transport.ended, undefined);
  const counts = new Map<string, number>();
  for (const each of seen()) counts.set(each[0]!, (counts.get(each[0]!) ?? 0) + 1);
  assert.deepEqual([...counts.keys()].sort(), keys);
  const least = Math.min(...counts.values());
  assert.ok(least >= 0.8 * Math.max(...counts.values()), JSON.stringify([...counts]));
  await node.close();
});

Deno.test("a value that waits never comes after a newer one that was acknowledged", async () => {
  const { node, writer, seen } = await open();
  for (let at = 0; at < 20; at++) writer.send(value("k", `${at}`));
  writer.send(value("k", "old"));
  writer.send(value("l", "other"));
  await node.clock.advanceAsync(100);
  writer.send(value("k", "new", writer.nextId()));
  await node.turn();
  assert.equal(seen().at(-1), "knew");
  await node.advance(1000);
  assert.deepEqual(seen(), ["lother"]);
  await node.close();
});

Deno.test("values wait while too many commands are pending, instead of being lost", async () => {
  const gate = Promise.withResolvers<void>();
  let holding = false;
  const node = await new TestNode({
    session: { maxPendingCommands: 1 },
    broker: (inner) =>
      new Proxy(inner, {
        get(target, name) {
          const member = Reflect.get(target, name);
          if (name !== "publish") {
            return typeof member === "function" ? member.bind(target) : member;
          }
          return async (...args: unknown[]) => {
            if (holding) await gate.promise;
            return await Reflect.apply(member, target, args);
          };
        },
      }),
  }).start();
  const reader = new TestClient();
  reader.connect(node, { maxDatagramSize: 0 });
  reader.subscribe("cursors:a");
  const writer = new TestClient();
  writer.connect(node);
  await node.turn();
  holding = true;
  writer.send(value("k", "1"));
  writer.send(value("k", "2"));
  writer.send(value("k", "3"));
  await node.turn();
  gate.resolve();
  await node.advance(1000);
  assert.equal(reader.values.get("cursors:a")!.get("k")!.value, "3");
  assert.equal(node.sessions.refusedCommands, 1);
  await node.close();
});

Deno.test("what waits outlives the transport, and is published when the client leaves", async () => {
  for (const leaves of [false, true]) {
    const { node, reader, writer, seen } = await open();
    for (let at = 0; at < 21; at++) writer.send(value("k", `${at}`));
    if (leaves) writer.send({ type: "leave" });
    else writer.transport.cut();
    await node.turn();
    if (!leaves) await node.advance(250);
    assert.equal(seen().at(-1), "k20");
    assert.equal(reader.transport.ended, undefined);
    await node.close();
  }
});

Deno.test("a flood of values is closed as one of commands, and what waits of it is refused", async () => {
  const { node, writer, seen } = await open({ resumeWindowMs: 0 });
  for (let at = 0; at < 300; at++) writer.send(value("k", `${at}`));
  await node.turn();
  assert.equal(writer.transport.ended?.code, CloseCode.FLOODING);
  seen();
  await node.advance(10_000);
  assert.deepEqual(seen(), []);
  await node.close();
});

Deno.test("HeldValues hold no more bytes than they may, and never an older value than they were given", () => {
  const held = new HeldValues({ release() {} }, new TimerWheel(new FakeClock()), 1000);
  const large = "x".repeat(300);
  assert.equal(held.put(value("a", "1")), true);
  assert.equal(held.put(value("b", large)), true);
  assert.equal(held.put(value("c", "1")), false, "no room");
  assert.equal(held.put(value("a", large)), false, "no room for the newer, so the older goes too");
  assert.equal(held.size, 1);
  assert.equal(held.put(value("c", "1")), true);
  assert.equal(held.put(value("b", "2")), false, "the one before is lost");
  assert.deepEqual([held.shift(), held.shift()].map(({ key }) => key), ["b", "c"]);
  assert.equal(held.put(value("b", large)), true, "what is gone takes no room");
  assert.equal(held.forget(value("b", "3")), true);
  assert.equal(held.forget(value("b", "3")), false);
  assert.equal(held.size, 0);
});
