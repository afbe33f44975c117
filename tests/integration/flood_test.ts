import assert from "node:assert/strict";
import { CloseCode } from "../../src/mod.ts";
import type { ServerMessage } from "../../src/protocol/message.ts";
import { until } from "../until.ts";
import { KINDS, withServer } from "./harness.ts";
import { openRaw } from "./raw_peer.ts";

const data = { format: "json", bytes: new Uint8Array([49]) } as const;

for (const kind of KINDS) {
  Deno.test(`${kind}: commands over a session's rate get 429, a flood is closed, and nobody else hears of it`, async () => {
    await withServer(
      { session: { maxCommandsPerSecond: 1, commandBurst: 20 } },
      async ({ server, client }) => {
        const other = client("websocket");
        const seen: unknown[] = [];
        await other.channel("chat:lobby").subscribe({
          onPublication: ({ data }) => seen.push(data),
        }).ready;
        await using peer = await openRaw(kind, server);
        await peer.send({ type: "connect", id: 1 });
        assert.equal((await peer.next()).type, "connected");

        const publish = (id: number) =>
          ({ type: "publish", id, channel: "chat:lobby", data }) as const;
        await peer.send(...Array.from({ length: 30 }, (_, at) => publish(at + 2)));
        const answers: ServerMessage[] = [];
        while (answers.length < 30) answers.push(await peer.next());
        const refused = answers.filter((answer) => answer.type === "error");
        // A second or two may pass on a busy machine, and bring as many tokens.
        assert.ok(refused.length >= 5 && refused.length <= 10, `${refused.length}`);
        assert.ok(refused.every(({ code }) => code === 429));
        assert.equal(server.pressure.refusedCommands, refused.length);
        await until(() => seen.length === 30 - refused.length, "what was taken");

        const end = peer.end();
        await peer.send(...Array.from({ length: 300 }, () => publish(0)));
        assert.equal((await end).code, CloseCode.FLOODING);
        await until(() => server.sessions.count === 1, "the flooding session's end");
        assert.equal(other.state, "connected");
      },
    );
  });
}

for (const kind of KINDS) {
  Deno.test(`${kind}: the last value of each key arrives, though it came over the command rate`, async () => {
    await withServer(
      { session: { maxCommandsPerSecond: 20, commandBurst: 10 } },
      async ({ server, client }) => {
        const values = new Map<string, number>();
        await client("websocket").channel<number>("points:a").subscribe({
          onPublication: ({ key, data }) => values.set(key!, data!),
        }).ready;
        await using peer = await openRaw(kind, server);
        await peer.send({ type: "connect", id: 1 });
        assert.equal((await peer.next()).type, "connected");
        const encoder = new TextEncoder();
        const sent = Array.from({ length: 60 }, (_, at) => ({
          type: "publish",
          id: 0,
          channel: "points:a",
          key: `key${at % 3}`,
          data: { format: "json", bytes: encoder.encode(String(at)) },
        } as const));
        await peer.send(...sent);
        await until(
          () => values.get("key0") === 57 && values.get("key1") === 58 && values.get("key2") === 59,
          "the last values",
        );
        assert.ok(server.pressure.refusedCommands > 30, "most were conflated");
      },
    );
  });
}
