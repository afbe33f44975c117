import assert from "node:assert/strict";
import { readiness } from "../../src/server/health.ts";
import { withServer } from "../integration/harness.ts";

Deno.test("readiness() names the shard of Redis that is out of reach", async () => {
  const shard = { name: "redis://secret.example", channels: 3, lagMs: 1 };
  const response = readiness({
    closedBy: undefined,
    redis: {
      connected: false,
      lagMs: 1,
      pendingBytes: 7,
      shards: [{ ...shard, connected: true }, { ...shard, connected: false }],
    },
  });
  assert.equal(response.status, 503);
  const text = await response.text();
  assert(!text.includes("secret"), text);
  assert.deepEqual(JSON.parse(text).reasons, ["redis shard 1 is out of reach"]);
});

Deno.test("readiness() says that there are no files or memory for more", async () => {
  const response = readiness({ closedBy: "capacity", redis: undefined });
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), { ready: false, reasons: ["capacity"] });
});

Deno.test("A draining server is alive but not ready", async () => {
  await withServer({}, async ({ server, client }) => {
    await client("websocket").ready;
    const get = (path: string) => fetch(new URL(path, server.developmentUrl));
    const before = await get("/readyz");
    assert.equal(before.status, 200);
    assert.equal(before.headers.get("cache-control"), "no-store");
    assert.deepEqual(await before.json(), { ready: true, reasons: [] });

    const drained = server.drain({ windowMs: 60_000 });
    const during = await get("/readyz");
    assert.equal(during.status, 503);
    assert.deepEqual(await during.json(), { ready: false, reasons: ["draining"] });
    const live = await get("/livez");
    assert.equal(live.status, 200);
    await live.body?.cancel();
    await server.close();
    await drained;
  });
});
