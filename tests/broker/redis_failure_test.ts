import assert from "node:assert/strict";
import { RedisBroker } from "../../src/broker/redis_broker.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { systemRandom } from "../../src/policy/random.ts";
import { until } from "../until.ts";
import { KEEP } from "./redis_nodes.ts";
import { TestRedis } from "./redis_server.ts";
import { Watch } from "./redis_watch.ts";

const TIMEOUT_MS = 300;

for (const empty of [true, false]) {
  Deno.test(`Redis killed under load and back ${empty ? "empty" : "with data"}: nothing twice, nothing missing unsaid`, async () => {
    await withRedis(["--appendonly", "yes", "--appendfsync", "always"], async (redis, watch) => {
      const stop = watch.load();
      await until(() => watch.kept.length > 100, "load");
      await redis.kill();
      await until(() => watch.errors.length > 0, "the outage is told");
      assert.equal(watch.nodes[0]!.broker.state().connected, false);
      await redis.restart({ empty });
      await watch.recovered(1);
      await stop();
      await watch.recovered();
      const account = watch.account();
      assert(account.refused > 0);
      assert(account.gaps > 0, "whoever restarts may have lost something");
      assert(watch.slowestMs < 2 * TIMEOUT_MS + 200, `${watch.slowestMs} ms`);
      assert.equal(watch.nodes[0]!.broker.state().connected, true);
      assert.match(String(watch.errors[0]), /Redis is out of reach at 127\.0\.0\.1:\d+/);
    });
  });
}

Deno.test("Redis back with a snapshot that is older: new offsets are not taken for those of before", async () => {
  await withRedis([], async (redis, watch) => {
    const stop = watch.load();
    await until(() => watch.kept.length > 20, "load");
    await redis.ask((client) => client.save());
    const saved = watch.kept.length;
    await until(() => watch.kept.length > saved + 50, "more load");
    await stop();
    await redis.kill();
    await redis.restart();
    await watch.recovered(1);
    // As many as were lost, so that offsets come that were given before.
    for (let more = 0; more < 100; more++) await watch.publish();
    await watch.recovered();
    assert(watch.account().gaps >= 2);
  });
});

Deno.test("Redis stopped and continued: publishers are refused in time, nothing is lost or doubled", async () => {
  await withRedis([], async (redis, watch) => {
    const stop = watch.load();
    await until(() => watch.kept.length > 50, "load");
    redis.pause();
    await until(() => watch.errors.length > 0, "the outage is told");
    redis.resume();
    await watch.recovered(1);
    await stop();
    await watch.recovered();
    const account = watch.account();
    assert.equal(account.gaps, 0);
    assert(account.refused > 0);
    assert(watch.slowestMs < 2 * TIMEOUT_MS + 200, `${watch.slowestMs} ms`);
  });
});

Deno.test("Redis paused for less than the timeout: everything is kept, late", async () => {
  await withRedis([], async (redis, watch) => {
    await watch.recovered();
    await redis.ask((client) => client.client("PAUSE", 150, "ALL"));
    await Promise.all(Array.from({ length: 100 }, () => watch.publish()));
    await watch.recovered();
    const { refused, gaps, received, kept } = watch.account();
    assert.deepEqual([refused, gaps, received], [0, 0, 2 * kept]);
  });
});

Deno.test("what waits for a slow Redis is bounded in bytes, and the rest refused at once", async () => {
  const redis = await TestRedis.start();
  const broker = new RedisBroker({
    redis: { url: redis.url, timeoutMs: 1000, maxPendingBytes: 100_000 },
    clock: systemClock,
    random: systemRandom,
    onError() {},
  });
  await broker.start({ publication() {}, interrupted() {} });
  redis.pause();
  const data = { format: "binary", bytes: new Uint8Array(10_000) } as const;
  const codes: number[] = [];
  const all = Array.from({ length: 50 }, () =>
    broker.publish({ channel: "c", data }, KEEP).then(
      () => codes.push(0),
      ({ code, message }) => {
        codes.push(code);
        if (codes.length === 1) assert.match(message, /Too much waits for Redis: \d+ bytes/);
      },
    ));
  await until(() => codes.length >= 40, "most are refused");
  assert(broker.state().pendingBytes <= 100_000);
  redis.resume();
  await Promise.all(all);
  const kept = codes.filter((code) => code === 0).length;
  assert(kept >= 8, `${kept} of 50`);
  assert.equal(codes.filter((code) => code === 503).length, 50 - kept);
  await until(() => broker.state().pendingBytes === 0);
  await broker.close();
  await redis.stop();
});

Deno.test("a node whose sockets are cut heals from history what it missed", async () => {
  await withRedis([], async (redis, watch) => {
    const stop = watch.load();
    for (let round = 0; round < 5; round++) {
      const before = watch.kept.length;
      await redis.ask((client) => client.call("CLIENT", "KILL", "TYPE", "pubsub"));
      await until(() => watch.kept.length > before + 30, "load goes on");
    }
    await stop();
    await watch.recovered();
    const { refused, gaps, received, kept } = watch.account();
    assert.deepEqual([refused, gaps, received], [0, 0, 2 * kept]);
  });
});

Deno.test("a publication that a node never heard of is found by the check", async () => {
  await withRedis([], async (redis, watch) => {
    await watch.recovered();
    // One that went to history, and whose message was lost on its way.
    await redis.ask(async (client) => {
      const meta = "slipstream:{/c}:meta";
      const history = "slipstream:{/c}:history";
      const offset = await client.hincrby(meta, "o", 1);
      const [, fields] = (await client.xrevrangeBuffer(history, "+", "-", "COUNT", 1))[0]!;
      const message = new Uint8Array(fields[1]!);
      new DataView(message.buffer).setFloat64(1, offset);
      message[message.length - 1] = 0x39;
      const { Buffer } = await import("node:buffer");
      await client.xadd(history, `${offset}-0`, "m", Buffer.from(message));
    });
    for (const { broker, watcher } of watch.nodes) {
      await until(() => watcher.last === 9, "it is healed");
      assert.equal(broker.state().connected, true);
    }
  }, { checkIntervalMs: 100 });
});

Deno.test("a start without Redis fails in time and names it", async () => {
  const broker = new RedisBroker({
    redis: { url: "redis://:secret@127.0.0.1:1", timeoutMs: 500 },
    clock: systemClock,
    random: systemRandom,
    onError() {},
  });
  await assert.rejects(
    broker.start({ publication() {}, interrupted() {} }),
    (error: Error) => /127\.0\.0\.1:1/.test(error.message) && !/secret/.test(error.message),
  );
});

async function withRedis(
  args: readonly string[],
  body: (redis: TestRedis, watch: Watch) => Promise<void>,
  options: { checkIntervalMs?: number } = {},
): Promise<void> {
  const redis = await TestRedis.start(args);
  try {
    const watch = await Watch.start(2, { url: redis.url, timeoutMs: TIMEOUT_MS, ...options });
    try {
      await body(redis, watch);
    } finally {
      redis.resume();
      await watch.close();
    }
  } finally {
    await redis.stop();
  }
}
