import assert from "node:assert/strict";
import type { ReceivedPublication } from "../../src/client/mod.ts";
import { CommandError, ErrorCode } from "../../src/mod.ts";
import { until } from "../until.ts";
import { KINDS, withServer } from "./harness.ts";

for (const kind of KINDS) {
  Deno.test(`${kind}: a publication reaches every subscriber, and the publisher is told where`, async () => {
    await withServer({}, async ({ server, client }) => {
      const reader = client(kind);
      const writer = client(kind);
      const got: ReceivedPublication[] = [];
      const subscription = reader.channel("chat:lobby").subscribe({
        onPublication: (publication) => got.push(publication),
      });
      await subscription.ready;
      const position = await writer.channel("chat:lobby").publish({ text: "hello" });
      await server.publish("chat:lobby", "from the server");
      await until(() => got.length === 2);
      assert.deepEqual(got.map(({ data }) => data), [{ text: "hello" }, "from the server"]);
      assert.deepEqual(got.map(({ publisher }) => publisher), [writer.session, undefined]);
      assert.equal(got[0]!.offset, position!.offset);
      assert.equal(server.sessions.count, 2);
      assert.equal(reader.transport, kind);
    });
  });

  Deno.test(`${kind}: bytes stay bytes`, async () => {
    await withServer({}, async ({ client }) => {
      const peer = client(kind);
      const got: unknown[] = [];
      const channel = peer.channel("chat:bytes");
      await channel.subscribe({ onPublication: ({ data }) => got.push(data) }).ready;
      const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      await channel.publish(bytes);
      await until(() => got.length === 1);
      assert.deepEqual(got, [bytes]);
    });
  });

  Deno.test(`${kind}: history gives what was published before`, async () => {
    await withServer({}, async ({ server, client }) => {
      for (let number = 1; number <= 5; number++) await server.publish("chat:past", number);
      const channel = client(kind).channel("chat:past");
      const newest = await channel.history({ limit: 2 });
      assert.deepEqual(newest.publications.map(({ data }) => data), [4, 5]);
      const since = { epoch: newest.position.epoch, offset: 1 };
      const rest = await channel.history({ since });
      assert.deepEqual(rest.publications.map(({ data }) => data), [2, 3, 4, 5]);
      assert.equal(rest.complete, true);
    });
  });

  Deno.test(`${kind}: a subscription with a position begins with what was missed`, async () => {
    await withServer({}, async ({ server, client }) => {
      const position = await server.publish("chat:past", 1);
      await server.publish("chat:past", 2);
      await server.publish("chat:past", 3);
      const got: unknown[] = [];
      await client(kind).channel("chat:past").subscribe({
        position,
        onPublication: ({ data }) => got.push(data),
      }).ready;
      await server.publish("chat:past", 4);
      await until(() => got.length === 3);
      assert.deepEqual(got, [2, 3, 4]);
    });
  });

  Deno.test(`${kind}: presence tells who is there, who joins and who leaves`, async () => {
    await withServer({}, async ({ client }) => {
      const ann = client(kind, { info: { name: "Ann" } });
      const bob = client(kind, { info: { name: "Bob" } });
      const events: string[] = [];
      const channel = ann.channel("chat:lobby");
      await channel.subscribe({
        onPublication() {},
        onJoin: ({ info }) => events.push(`join ${JSON.stringify(info)}`),
        onLeave: ({ info }) => events.push(`leave ${JSON.stringify(info)}`),
      }).ready;
      const subscription = bob.channel("chat:lobby").subscribe({ onPublication() {} });
      await until(() => events.includes('join {"name":"Bob"}'), "Bob's join");
      const members = await channel.presence();
      assert.deepEqual(members.map(({ info }) => info), [{ name: "Ann" }, { name: "Bob" }]);
      subscription.unsubscribe();
      await until(() => events.at(-1) === 'leave {"name":"Bob"}', "Bob's leave");
      assert.deepEqual((await channel.presence()).map(({ info }) => info), [{ name: "Ann" }]);
    });
  });

  Deno.test(`${kind}: a latest channel gives the newest of each key, and its removal`, async () => {
    await withServer({}, async ({ server, client }) => {
      await server.publish("points:map", { x: 1 }, { key: "ann" });
      await server.publish("points:map", { x: 2 }, { key: "ann" });
      await server.publish("points:map", { x: 9 }, { key: "bob" });
      const seen = new Map<string, unknown>();
      const channel = client(kind).channel("points:map");
      await channel.subscribe({
        onPublication: ({ key, data, removed }) =>
          removed ? seen.delete(key!) : seen.set(key!, data),
      }).ready;
      await until(() => seen.size === 2, "the values of both keys");
      assert.deepEqual(Object.fromEntries(seen), { ann: { x: 2 }, bob: { x: 9 } });
      await channel.publish({ x: 3 }, { key: "ann" });
      await until(() => JSON.stringify(seen.get("ann")) === '{"x":3}', "the new value");
      await server.remove("points:map", "bob");
      await until(() => !seen.has("bob"), "the removal");
    });
  });

  Deno.test(`${kind}: rpc answers, or says what is wrong`, async () => {
    const encoder = new TextEncoder();
    await withServer({
      rpc: {
        whoAmI: (_data, session) => ({
          format: "json",
          bytes: encoder.encode(JSON.stringify([session.transport, session.address])),
        }),
        refuse() {
          throw new CommandError(ErrorCode.FORBIDDEN, "Not today");
        },
        fail() {
          throw new Error("a secret detail");
        },
      },
    }, async ({ client, log }) => {
      const peer = client(kind);
      assert.deepEqual(await peer.rpc("whoAmI"), [kind, "127.0.0.1"]);
      await assert.rejects(peer.rpc("refuse"), { code: 403, message: "Not today" });
      await assert.rejects(peer.rpc("fail"), { code: 500, message: "Internal error" });
      await assert.rejects(peer.rpc("absent"), {
        code: 404,
        message: 'There is no method: "absent"',
      });
      assert.deepEqual(log, ["error: Unexpected error: Error: a secret detail"]);
    });
  });

  Deno.test(`${kind}: the round trip is measured`, async () => {
    await withServer({}, async ({ client }) => {
      const peer = client(kind);
      await peer.ready;
      peer.ping();
      await until(() => peer.rttMs !== undefined, "a round-trip time");
    });
  });

  for (
    const [what, act, expected] of [
      [
        "an unknown namespace",
        "nowhere:x",
        { code: 404, message: 'There is no namespace "nowhere"; configured are: chat, points' },
      ],
      [
        "a channel name with a space",
        "chat:a b",
        {
          code: 400,
          message: "A channel name has no white space, control or invisible characters: " +
            "U+0020 at character 6",
        },
      ],
      ["an empty channel name", "", { code: 400, message: "A channel name must not be empty" }],
    ] as const
  ) {
    Deno.test(`${kind}: ${what} is refused by name, and the session goes on`, async () => {
      await withServer({}, async ({ client }) => {
        const peer = client(kind);
        await assert.rejects(peer.channel(act).publish("x"), expected);
        await assert.rejects(peer.channel(act).history(), expected);
        await peer.channel("chat:fine").publish("x");
        assert.equal(peer.state, "connected");
      });
    });
  }
}
