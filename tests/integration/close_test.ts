import assert from "node:assert/strict";
import { CloseCode, type ServerOptions, type SlipstreamServer } from "../../src/mod.ts";
import type { ClientMessage } from "../../src/protocol/message.ts";
import { KINDS, withServer } from "./harness.ts";
import { openRaw, type RawPeer } from "./raw_peer.ts";

const CONNECT: ClientMessage = { type: "connect", id: 1 };
const LARGE: ClientMessage = {
  type: "publish",
  id: 2,
  channel: "chat:x",
  data: { format: "binary", bytes: new Uint8Array(2000) },
};

interface Case {
  readonly what: string;
  readonly options?: ServerOptions;
  readonly act: (peer: RawPeer, server: SlipstreamServer) => Promise<void>;
  readonly code: number;
  readonly reason: string | RegExp;
}

/** How a session can end, by either side. */
const CASES: readonly Case[] = [
  {
    what: "a peer that does not begin with connect",
    act: (peer) => peer.send({ type: "ping", id: 1 }),
    code: CloseCode.PROTOCOL_ERROR,
    reason: "The first message must be connect: ping",
  },
  {
    what: "a peer that sends what is no message",
    act: (peer) => peer.sendGarbage(),
    code: CloseCode.PROTOCOL_ERROR,
    reason: /./,
  },
  {
    what: "a message over the limit",
    options: { session: { maxMessageBytes: 1000 } },
    async act(peer) {
      await peer.send(CONNECT);
      await peer.next();
      await peer.send(LARGE);
    },
    code: CloseCode.MESSAGE_TOO_LARGE,
    reason: /1000/,
  },
  {
    what: "a peer that says nothing",
    options: { session: { connectTimeoutMs: 1 } },
    act: () => Promise.resolve(),
    code: CloseCode.CONNECT_TIMEOUT,
    reason: "No connect came within 1 ms",
  },
  {
    what: "a client that leaves",
    async act(peer) {
      await peer.send(CONNECT);
      await peer.next();
      await peer.send({ type: "leave" });
    },
    code: CloseCode.LEFT,
    reason: "The client left",
  },
  {
    what: "a session that goes on elsewhere",
    async act(peer, server) {
      await peer.send(CONNECT);
      const connected = await peer.next();
      assert.equal(connected.type, "connected");
      const { session, ticket } = connected as { session: string; ticket: string };
      await using other = await openRaw("websocket", server);
      await other.send({ ...CONNECT, resume: { session, ticket, positions: [] } });
      const resumed = await other.next();
      assert.equal(resumed.type === "connected" && resumed.resumed, true);
    },
    code: CloseCode.REPLACED,
    reason: "The session goes on over another transport",
  },
  {
    what: "a server that closes",
    async act(peer, server) {
      await peer.send(CONNECT);
      await peer.next();
      void server.close();
    },
    code: CloseCode.SHUTDOWN,
    reason: "The node goes away",
  },
  {
    what: "a server that drains",
    async act(peer, server) {
      await peer.send(CONNECT);
      await peer.next();
      void server.drain({ windowMs: 0 });
      assert.deepEqual(await peer.next(), { type: "drain", delayMs: 0 });
    },
    code: CloseCode.SHUTDOWN,
    reason: "The node goes away",
  },
];

for (const { what, options = {}, act, code, reason } of CASES) {
  for (const kind of KINDS) {
    Deno.test(`${kind}: ${what} is told ${code}`, async () => {
      await withServer(options, async ({ server }) => {
        await using peer = await openRaw(kind, server);
        await act(peer, server);
        const info = await peer.end();
        assert.equal(info.code, code);
        if (typeof reason === "string") assert.equal(info.reason, reason);
        else assert.match(info.reason, reason);
      });
    });
  }
}

Deno.test("a client that is sending when it is closed learns why, on every transport but Deno's own WebTransport", async () => {
  await withServer({}, async ({ server, client: connect }) => {
    for (const kind of ["websocket", "sse"] as const) {
      for (let round = 0; round < 5; round++) {
        const client = connect(kind);
        await client.ready;
        for (let at = 0; at < 20; at++) client.channel("chat:a").publish(at).catch(() => {});
        await server.publish("chat:a", "the client's messages are on their way by now");
        await server.disconnect({ session: client.session! }, { code: 4500, reason: "banned" });
        assert.deepEqual(await client.closed, { code: 4500, reason: "banned" });
      }
    }
  });
});
