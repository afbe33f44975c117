import assert from "node:assert/strict";
import { CloseCode, type SlipstreamServer } from "../../src/mod.ts";
import * as binary from "../../src/protocol/binary.ts";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import { concat } from "../bytes.ts";
import { RawWebSocket } from "../transport/raw_websocket.ts";
import { until } from "../until.ts";
import { type Kind, KINDS, withServer } from "./harness.ts";
import { openRaw } from "./raw_peer.ts";

const COMMANDS = [
  { type: "connect", id: 1 },
  { type: "subscribe", id: 2, channel: "chat:busy" },
] as const;

/** More than any socket or window on the way takes, so that the rest waits in the queue. */
const PUBLICATIONS = 400;
const BYTES = 60_000;

for (const kind of KINDS) {
  Deno.test(`${kind}: a reader that stops is sent away, resumable, and nobody else notices`, async () => {
    await withServer({}, async ({ server, client, log }) => {
      const honest = client(kind);
      const seen: number[] = [];
      await honest.channel("chat:busy").subscribe({
        onPublication: ({ offset }) => seen.push(offset),
      }).ready;
      await using _slow = await openSlow(kind, server);
      await until(() => server.transports === 2, "both are connected");
      const data = new Uint8Array(BYTES);
      for (let count = 1; count <= PUBLICATIONS; count++) {
        await server.publish("chat:busy", data);
        // The honest reader sets the pace.
        await until(() => seen.length === count, `publication ${count}`);
      }
      await until(() => server.transports === 1, "the slow one is sent away");
      assert.deepEqual(seen, Array.from({ length: PUBLICATIONS }, (_, at) => at + 1));
      assert.equal(honest.state, "connected");
      assert.equal(server.sessions.count, 2, "the slow one may come back");
      assert.deepEqual(log, []);
    });
  });
}

/** A peer that subscribes and then reads no more. */
async function openSlow(kind: Kind, server: SlipstreamServer): Promise<AsyncDisposable> {
  if (kind !== "websocket") {
    const peer = await openRaw(kind, server);
    await peer.send(...COMMANDS);
    return peer;
  }
  const socket = await RawWebSocket.open(server.developmentPort!, "/rt/ws", SUBPROTOCOL.binary);
  await socket.send(concat(...COMMANDS.map(binary.encodeClientMessage)));
  return socket;
}

assert.equal(CloseCode.SLOW_CONSUMER, 3002);
