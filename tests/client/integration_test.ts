import assert from "node:assert/strict";
import { Core } from "../../src/client/core.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import type { Client } from "../../src/client/mod.ts";
import { KINDS, withServer } from "../integration/harness.ts";
import { until } from "../until.ts";

/** Notes the numbers that are published to a channel. */
async function collect(client: Client, channel: string): Promise<unknown[]> {
  const seen: unknown[] = [];
  await client.channel(channel).subscribe({
    onPublication: ({ data }) => seen.push(data),
    onGap: () => seen.push("gap"),
  }).ready;
  return seen;
}

const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

for (const from of KINDS) {
  for (const to of KINDS) {
    Deno.test(`a session moves from ${from} to ${to} while publications come in`, async () => {
      await withServer({}, async ({ server, client }) => {
        const mover = client(from);
        const seen = await collect(mover, "chat:move");
        const { session } = mover;
        for (let number = 0; number < 60; number++) {
          if (number === 20) mover.use([to]);
          await server.publish("chat:move", number);
          // A turn, so that the publications spread over the move.
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        await until(() => seen.length >= 60, "all publications");
        assert.deepEqual(seen, numbers(60));
        assert.equal(mover.session, session);
        await until(() => mover.transport === to, `transport ${to}`);
        assert.equal(server.sessions.count, 1);
      });
    });
  }

  Deno.test(`${from}: five hundred publications at once arrive in order, each acknowledged`, async () => {
    await withServer({}, async ({ client }) => {
      const peer = client(from);
      const seen = await collect(peer, "chat:burst");
      const burst = peer.channel("chat:burst");
      const positions = await Promise.all(numbers(500).map((number) => burst.publish(number)));
      await until(() => seen.length >= 500, "all publications");
      assert.deepEqual(seen, numbers(500));
      assert.deepEqual(
        positions.map((position) => position!.offset),
        numbers(500).map((n) => n + 1),
      );
    });
  });

  Deno.test(`${from}: the last of a thousand keyed values arrives, whatever is lost`, async () => {
    await withServer({}, async ({ client }) => {
      const reader = client(from);
      const writer = client(from);
      const seen = await collect(reader, "points:a");
      for (let x = 0; x < 1000; x++) {
        await writer.channel("points:a").publish({ x }, { key: "me" });
        if (x % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await until(() => (seen.at(-1) as { x: number } | undefined)?.x === 999, "the last value");
      const xs = seen.map((value) => (value as { x: number }).x);
      assert.deepEqual(xs, xs.toSorted((a, b) => a - b));
    });
  });

  Deno.test(`${from}: a client that closes is gone from the server at once`, async () => {
    await withServer({}, async ({ server, client }) => {
      const leaver = client(from);
      await leaver.ready;
      assert.equal(server.sessions.count, 1);
      leaver.close();
      await until(() => server.sessions.count === 0, "the session's end");
      await until(() => server.transports === 0, "the transport's end");
    });
  });

  Deno.test(`${from}: messages of the largest size come through both ways`, async () => {
    await withServer({}, async ({ client }) => {
      const peer = client(from);
      const seen = await collect(peer, "chat:large");
      const large = "x".repeat(65_000);
      await peer.channel("chat:large").publish(large);
      await until(() => seen.length === 1, "the publication");
      assert.deepEqual(seen, [large]);
    });
  });
}

Deno.test("a client that asks for json speaks it on its WebSocket", async () => {
  await withServer({}, async ({ client }) => {
    const peer = client("websocket", { encoding: "json" });
    const seen = await collect(peer, "chat:json");
    await peer.channel("chat:json").publish({ text: "ü" });
    await peer.channel("chat:json").publish(new Uint8Array([1, 2]));
    await until(() => seen.length === 2, "the publications");
    assert.deepEqual(seen, [{ text: "ü" }, new Uint8Array([1, 2])]);
  });
});

Deno.test("with UDP blocked a client is connected by WebSocket within 2 s", async () => {
  const silent = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    await withServer({}, async ({ server }) => {
      const { port } = silent.addr as Deno.NetAddr;
      const system = systemEnvironment();
      const client = new Core(new URL(server.developmentUrl!), {}, {
        ...system,
        fetchServerInfo: async (base, signal) => ({
          ...await system.fetchServerInfo(base, signal),
          webtransport: { url: `https://127.0.0.1:${port}/rt/wt` },
        }),
      });
      await until(() => client.state === "connected", "the connected state", 2000);
      assert.equal(client.transport, "websocket");
      assert.deepEqual(client.fallbacks, [
        { transport: "webtransport", reason: "websocket was open first" },
      ]);
      client.close();
      await client.closed;
    });
  } finally {
    silent.close();
  }
});

Deno.test("a client that starts before its server is connected once there is one", async () => {
  const reserved = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = reserved.addr;
  reserved.close();
  const early = new Core(new URL(`http://localhost:${port}`), {}, {
    ...systemEnvironment(),
    random: () => 0.05,
  });
  const published = early.channel("chat:early").publish("waited");
  const errors: Error[] = [];
  early.on("error", (error) => errors.push(error));
  await until(() => errors.length > 0, "a failed attempt");
  await withServer({ developmentPort: port }, async () => {
    await early.ready;
    assert.equal((await published)!.offset, 1);
    early.close();
    await early.closed;
  });
});
