import assert from "node:assert/strict";
import { RedisBroker } from "../../src/broker/redis_broker.ts";
import { RedisSessionStore } from "../../src/broker/redis_session_store.ts";
import type { SessionStore } from "../../src/broker/session_store.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { systemRandom } from "../../src/policy/random.ts";
import { FakeClock } from "../fake_clock.ts";
import { TestRedis } from "./redis_server.ts";
import { TestSessionStore } from "./test_session_store.ts";

const A = "aaaaaaaa";
const B = "bbbbbbbb";
const TTL_MS = 60_000;

interface Harness {
  readonly store: SessionStore;
  close(): Promise<void>;
}

/** What every `SessionStore` must do, whatever is behind it. */
function testSessionStore(name: string, create: () => Promise<Harness>): void {
  const test = (title: string, run: (store: SessionStore) => Promise<void>) =>
    Deno.test(`${name}: ${title}`, async () => {
      const { store, close } = await create();
      try {
        await run(store);
      } finally {
        await close();
      }
    });

  test("a session is kept for the node that has it, and written by no other", async (store) => {
    assert.equal(await store.put("s", A, { node: A, text: "one" }, TTL_MS), true);
    assert.equal(await store.put("s", A, { node: A, text: "two" }, TTL_MS), true);
    assert.equal(await store.put("s", B, { node: B, text: "three" }, TTL_MS), false);
    assert.deepEqual(await store.get("s"), { node: A, text: "two" });
    assert.equal(await store.get("other"), undefined);
  });

  test("who proves it takes a session, once, and its node is told by its next write", async (store) => {
    await store.put("s", A, { node: A, text: "has the proof" }, TTL_MS);
    assert.equal(await store.take("s", A, B, "another", TTL_MS), undefined);
    assert.equal(await store.take("s", B, B, "proof", TTL_MS), undefined);
    const taken = await Promise.all([1, 2].map(() => store.take("s", A, B, "proof", TTL_MS)));
    assert.deepEqual(taken, ["has the proof", undefined]);
    assert.deepEqual(await store.get("s"), { node: B, text: "" });
    assert.equal(await store.put("s", A, { node: A, text: "late" }, TTL_MS), false);
    assert.equal(await store.renew("s", A, TTL_MS), "moved");
    await store.remove("s", A);
    assert.deepEqual(await store.get("s"), { node: B, text: "" });
  });

  test("a session that waits for any node is anybody's who proves it", async (store) => {
    await store.put("s", A, { node: "", text: "proof" }, TTL_MS);
    assert.deepEqual(await store.get("s"), { node: "", text: "proof" });
    assert.equal(await store.renew("s", A, TTL_MS), "kept");
    assert.equal(await store.take("s", "", B, "proof", TTL_MS), "proof");
    assert.equal(await store.take("s", "", A, "proof", TTL_MS), undefined);
  });

  test("a session is forgotten when it ends, and after its time", async (store) => {
    await store.put("s", A, { node: A, text: "" }, TTL_MS);
    assert.equal(await store.renew("s", A, TTL_MS), "kept");
    await store.remove("s", A);
    assert.equal(await store.renew("s", A, TTL_MS), "lost");
    assert.equal(await store.get("s"), undefined);
  });

  test("a node is there for as long as it says, and until it says otherwise", async (store) => {
    assert.equal(await store.isThere(A), false);
    await store.announce(A, TTL_MS);
    assert.equal(await store.isThere(A), true);
    await store.announce(A, 0);
    assert.equal(await store.isThere(A), false);
  });
}

testSessionStore(
  "TestSessionStore",
  () => Promise.resolve({ store: new TestSessionStore(new FakeClock()), close: async () => {} }),
);
testSessionStore("RedisSessionStore", async () => {
  const redis = await TestRedis.start();
  const { store, broker } = await open(redis);
  return {
    store,
    async close() {
      await broker.close();
      await redis.stop();
    },
  };
});

Deno.test("RedisSessionStore: Redis forgets what is not renewed in its time", async () => {
  const redis = await TestRedis.start();
  const { store, broker } = await open(redis);
  await store.put("s", A, { node: A, text: "" }, 1);
  while (await store.get("s") !== undefined);
  await broker.close();
  await redis.stop();
});

async function open(redis: TestRedis) {
  const broker = new RedisBroker({
    redis: { url: redis.url },
    clock: systemClock,
    random: systemRandom,
    onError() {},
  });
  await broker.start({ publication() {}, interrupted() {} });
  return { broker, store: new RedisSessionStore(broker) };
}
