import assert from "node:assert/strict";
import { connect } from "../../src/client/mod.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { TcpProxy } from "../browser/tcp_proxy.ts";
import { until } from "../until.ts";
import { KINDS, type TestServer, withServer } from "./harness.ts";
import { OPEN } from "../../src/session/rights/permission.ts";

Deno.test("a node that drains behind a balancer hands its clients over, and no publication is lost", async () => {
  await withTwoNodes(async (old, successor) => {
    const balancer = new TcpProxy();
    balancer.forwardTo(old.server.developmentPort!);
    const url = `http://localhost:${balancer.port}`;
    const clients = [...KINDS, ...KINDS].map((kind) => connect(url, { transports: [kind] }));
    const got = clients.map(() => [] as unknown[]);
    const gaps: unknown[] = [];
    await Promise.all(clients.map((client, at) =>
      client.channel("chat:news").subscribe({
        onPublication: ({ data }) => got[at]!.push(data),
        onGap: (gap) => gaps.push(gap),
      }).ready
    ));
    assert.equal(old.server.sessions.count, clients.length);

    let published = 0;
    let enough = false;
    const publishing = (async () => {
      while (!enough) {
        await successor.server.publish("chat:news", ++published);
        // A feed that is never quiet, and that the history holds.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    balancer.forwardTo(successor.server.developmentPort!);
    await old.server.drain({ windowMs: 300 });
    await until(() => successor.server.sessions.count === clients.length, "all have come over");
    enough = true;
    await publishing;
    await until(() => got.every((each) => each.length === published), "all publications");
    const expected = Array.from({ length: published }, (_, at) => at + 1);
    for (const each of got) assert.deepEqual(each, expected);
    assert.deepEqual(gaps, []);
    assert.deepEqual(clients.map(({ transport }) => transport), [...KINDS, ...KINDS]);

    for (const client of clients) client.close();
    await until(() => successor.server.transports === 0, "the clients are gone");
    await balancer.close();
  });
});

/** Runs `body` with two nodes that share a Redis; a client that loses one comes back at once. */
async function withTwoNodes(
  body: (old: TestServer, successor: TestServer) => Promise<void>,
): Promise<void> {
  const redis = await TestRedis.start();
  const options = {
    redis: { url: redis.url },
    reconnectSpreadMs: 0,
    namespaces: { chat: { historySize: 100_000, permissions: OPEN } },
  };
  try {
    await withServer(options, (old) => withServer(options, (successor) => body(old, successor)));
  } finally {
    await redis.stop();
  }
}
