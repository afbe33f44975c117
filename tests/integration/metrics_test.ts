import assert from "node:assert/strict";
import { TestRedis } from "../broker/redis_server.ts";
import { until } from "../until.ts";
import { KINDS, type TestServer, withServer } from "./harness.ts";

const KEY = "a-key-of-at-least-32-characters!";

async function read({ server }: TestServer, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.developmentUrl}/metrics`, { headers });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** The values, by name and labels. */
async function values(test: TestServer): Promise<Map<string, number>> {
  const { status, text } = await read(test);
  assert.equal(status, 200, text);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}

Deno.test("a program on this machine reads what the node does", async () => {
  await withServer({}, async (test) => {
    const clients = KINDS.map((kind) => test.client(kind));
    for (const client of clients) {
      await client.channel("chat:a").subscribe({ onPublication: () => {} }).ready;
    }
    await clients[0]!.channel("chat:a").publish("hello");
    const now = await values(test);
    for (const kind of KINDS) {
      assert.equal(now.get(`slipstream_sessions{transport="${kind}"}`), 1, kind);
    }
    assert.equal(now.get('slipstream_sessions{transport="none"}'), 0);
    assert.equal(now.get("slipstream_channels"), 1);
    assert.equal(now.get("slipstream_subscriptions"), 3);
    assert.equal(now.get("slipstream_published_total"), 1);
    assert.equal(now.get("slipstream_received_total"), 1);
    assert.ok(now.get('slipstream_memory_bytes{kind="resident"}')! > 1e6);
    await test.server.publish("chat:a", "more");
    assert.equal((await values(test)).get("slipstream_published_total"), 2, "read anew");
    const refused = await fetch(`${test.server.developmentUrl}/rt/ws`, {
      headers: { origin: "https://evil.test" },
    });
    await refused.body?.cancel();
    const later = await values(test);
    assert.equal(later.get('slipstream_origin_refusals_total{reason="not allowed"}'), 1);
  });
});

Deno.test("with a key nobody reads the metrics without it, from wherever", async () => {
  await withServer({ metrics: { key: KEY } }, async (test) => {
    const without = await read(test);
    assert.equal(without.status, 401);
    assert.equal(without.headers.get("www-authenticate"), "Bearer");
    assert.equal((await read(test, { authorization: `Bearer ${KEY}x` })).status, 401);
    assert.equal((await read(test, { authorization: `Bearer ${KEY}` })).status, 200);
  });
});

Deno.test("no page reads the metrics, and nobody where there are none", async () => {
  await withServer({}, async (test) => {
    assert.equal((await read(test, { origin: test.server.developmentUrl! })).status, 403);
  });
  await withServer({ metrics: false }, async (test) => {
    assert.equal((await read(test)).status, 404);
  });
});

Deno.test("Redis is in the metrics, by shard, and seen to go", async () => {
  const redis = await TestRedis.start();
  try {
    await withServer({ redis: { url: redis.url, timeoutMs: 1000 } }, async (test) => {
      assert.equal((await values(test)).get('slipstream_redis_connected{shard="0"}'), 1);
      await redis.kill();
      await until(() => !test.server.redis!.connected, "the node has seen it");
      assert.equal((await values(test)).get('slipstream_redis_connected{shard="0"}'), 0);
      const ready = await fetch(`${test.server.developmentUrl}/readyz`);
      assert.equal(ready.status, 503);
      assert.match(await ready.text(), /redis shard 0 is out of reach/);
      await redis.restart();
      await until(() => test.server.redis!.connected, "and that it is back");
    });
  } finally {
    await redis.stop();
  }
});
