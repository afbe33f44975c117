import assert from "node:assert/strict";
import { startBots } from "../../src/demo/bots.ts";
import { createDemo } from "../../src/demo/demo.ts";
import { startFeed } from "../../src/demo/feed.ts";
import { connect } from "../../src/client/mod.ts";
import { serve, type SlipstreamServer } from "../../src/mod.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { until } from "../until.ts";

/** Runs `use` with a server that has the simulations. */
async function withDemo(
  fed: boolean,
  use: (server: SlipstreamServer) => Promise<void>,
): Promise<void> {
  const demo = createDemo({ clock: systemClock, random: seededRandom(1), fed });
  const server = await serve({
    port: 0,
    developmentPort: 0,
    origins: { allowMissing: true },
    namespaces: demo.namespaces,
    rpc: demo.rpc,
  });
  await demo.start(server);
  try {
    await use(server);
  } finally {
    demo.stop();
    await server.close();
  }
}

Deno.test("bots fly over all transports, and each hears of its own surroundings", async () => {
  await withDemo(false, async (server) => {
    const { bots, failed } = await startBots({
      url: server.developmentUrl!,
      count: 6,
      transports: ["webtransport", "websocket", "sse"],
    });
    try {
      assert.deepEqual(failed, []);
      assert.deepEqual(
        new Set(bots.map(({ client }) => client.transport)),
        new Set(["webtransport", "websocket", "sse"]),
      );
      await until(() => {
        for (const bot of bots) bot.fly(performance.now());
        return bots.every(({ received }) => received > 30);
      }, "30 updates for each bot");
      const { standings } = await bots[0]!.client.rpc<{ standings: { name: string }[] }>(
        "arena.standings",
      );
      assert.equal(standings.filter(({ name }) => name.startsWith("Bot ")).length, 6);
    } finally {
      for (const { client } of bots) client.close();
      await Promise.all(bots.map(({ client }) => client.closed));
    }
  });
});

Deno.test("a feed from outside fills the ticker where the server lets it, and is refused elsewhere", async () => {
  await withDemo(true, async (server) => {
    const feed = await startFeed(server.developmentUrl!, 1);
    const reader = connect(server.developmentUrl!, { transports: ["websocket"] });
    const quotes = new Set<string>();
    let trades = 0;
    try {
      await reader.channel("quotes:1").subscribe({ onPublication: ({ key }) => quotes.add(key!) })
        .ready;
      await reader.channel("trades:1").subscribe({ onPublication: () => trades++ }).ready;
      await until(() => quotes.size === 300 && trades > 5, "all quotes and some trades");
      await assert.rejects(
        reader.rpc("market.place", {
          account: "an-account-of-tests",
          symbol: [...quotes][0],
          side: "buy",
          quantity: 1,
        }),
        { code: 503 },
      );
    } finally {
      feed.stop();
      await feed.stopped;
      reader.close();
      await reader.closed;
    }
  });
  await withDemo(false, async (server) => {
    await assert.rejects(startFeed(server.developmentUrl!, 1), { code: 403 });
  });
});
