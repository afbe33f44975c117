import assert from "node:assert/strict";
import type { Publication } from "../../src/protocol/message.ts";
import { MemoryBroker } from "../../src/broker/memory_broker.ts";
import { MemoryPresence, MemoryPresenceStore } from "../../src/broker/memory_presence.ts";
import { MemoryStore, type MemoryStoreOptions } from "../../src/broker/memory_store.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { FakeClock } from "../fake_clock.ts";
import { testBroker, testPresence } from "./conformance.ts";

testBroker("MemoryBroker", (count) => {
  const clock = new FakeClock();
  const store = createStore(clock);
  const nodes = Array.from({ length: count }, () => new MemoryBroker(store));
  return Promise.resolve({
    nodes,
    delivered: () => Promise.resolve(),
    advance: (ms: number) => clock.advanceAsync(ms),
    forget: (channel: string) => Promise.resolve(store.forget(channel)),
    close: async () => {
      for (const node of nodes) await node.close();
      assert.equal(clock.pendingTimers, 0);
    },
  });
});

testPresence("MemoryPresence", (count) => {
  const store = new MemoryPresenceStore();
  const nodes = Array.from({ length: count }, () => new MemoryPresence(store));
  return Promise.resolve({
    nodes,
    delivered: () => Promise.resolve(),
    close: async () => {
      for (const node of nodes) await node.close();
      assert.equal(store.channels.size, 0);
    },
  });
});

Deno.test("MemoryStore delivers what is published in a delivery after it, for every node", () => {
  const store = createStore(new FakeClock());
  const logs: number[][] = [[], []];
  store.attach(({ offset }) => {
    logs[0]!.push(offset);
    if (offset === 1) store.publish(publication("c", 1), KEEP);
  });
  store.attach(({ offset }) => logs[1]!.push(offset));
  store.publish(publication("c", 1), KEEP);
  assert.deepEqual(logs, [[1, 2], [1, 2]]);
});

Deno.test("MemoryStore forgets a channel once nobody is subscribed and all has expired", async () => {
  const clock = new FakeClock();
  const store = createStore(clock);
  store.attach(ignore);
  const first = store.publish(publication("c", 1), KEEP);
  store.retain("c", KEEP);
  await clock.advanceAsync(120_000);
  assert.deepEqual([store.size, store.bytes], [1, 0]);
  store.release("c");
  assert.equal(store.open("c", KEEP).epoch, first.epoch);
  await clock.advanceAsync(120_000);
  assert.equal(store.size, 0);
  assert.equal(clock.pendingTimers, 0, "an empty store has no timer");
  assert.notEqual(store.open("c", KEEP).epoch, first.epoch);
});

Deno.test("MemoryStore at its most channels forgets the one longest untouched", () => {
  const store = createStore(new FakeClock(), { maxChannels: 3 });
  for (const name of ["a", "b", "c"]) store.publish(publication(name, 1), KEEP);
  store.retain("a", KEEP);
  const b = store.open("b", KEEP).epoch;
  store.publish(publication("d", 1), KEEP);
  assert.equal(store.size, 3);
  assert.equal(store.open("b", KEEP).epoch, b);
  for (const name of ["b", "d"]) store.retain(name, KEEP);
  assert.throws(() => store.publish(publication("e", 1), KEEP), {
    name: "CommandError",
    code: 503,
    message: "All channels that the node can keep have subscribers: 3",
  });
  store.release("d");
  store.publish(publication("e", 1), KEEP);
});

Deno.test("MemoryStore at its most bytes forgets idle channels, then a channel's own oldest", () => {
  const store = createStore(new FakeClock(), { maxBytes: 10_000 });
  for (const name of ["idle", "kept"]) store.publish(publication(name, 2000), KEEP);
  store.retain("kept", KEEP);
  store.retain("busy", KEEP);
  for (let at = 0; at < 20; at++) store.publish(publication("busy", 1000), KEEP);
  assert(store.bytes <= 10_000);
  assert.equal(store.open("kept", KEEP).history(undefined, 9).publications.length, 1);
  const busy = store.open("busy", KEEP);
  const page = busy.history({ epoch: busy.epoch, offset: 0 }, 99);
  assert.equal(page.complete, false);
  assert.equal(page.publications.at(-1)!.offset, 20);
  assert.equal(store.size, 2);
});

Deno.test("MemoryStore counts bytes to nothing when all is gone", async () => {
  const clock = new FakeClock();
  const store = createStore(clock);
  for (let at = 0; at < 200; at++) {
    store.publish(publication("c", at), KEEP);
    store.publish({ ...publication("k", at), key: `k${at % 7}` }, { ...KEEP, latest: true });
  }
  assert(store.bytes > 0);
  await clock.advanceAsync(200_000);
  assert.deepEqual([store.bytes, store.size], [0, 0]);
});

const KEEP = {
  historySize: 100,
  historyTtlMs: 60_000,
  latest: false,
  maxKeys: 100,
  keyTtlMs: 60_000,
};

function createStore(clock: FakeClock, limits: Partial<MemoryStoreOptions> = {}): MemoryStore {
  const now = () => 1.7e12 + clock.now();
  return new MemoryStore({ clock, random: seededRandom(5), now, ...limits });
}

function publication(channel: string, bytes: number) {
  return { channel, data: { format: "binary", bytes: new Uint8Array(bytes) } } as const;
}

function ignore(_publication: Publication): void {}
