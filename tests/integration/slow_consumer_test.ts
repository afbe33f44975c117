import assert from "node:assert/strict";
import type { SlipstreamServer } from "../../src/mod.ts";
import { encodeClientMessage } from "../../src/protocol/binary.ts";
import { concat } from "../bytes.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { bidirectionalHeader } from "../conformance/server.ts";
import { until } from "../until.ts";
import { certPem, type Kind, withServer } from "./harness.ts";
import { connectFields } from "./raw_peer.ts";
import { OPEN } from "../../src/session/rights/permission.ts";

const CONNECT_AND_SUBSCRIBE = concat(
  encodeClientMessage({ type: "connect", id: 1 }),
  encodeClientMessage({ type: "subscribe", id: 2, channel: "chat:flood" }),
);

/** Opens a subscriber to `chat:flood` that never reads; returns what ends it. */
const STALLED: Readonly<Record<Kind, (server: SlipstreamServer) => Promise<() => Promise<void>>>> =
  {
    async webtransport(server) {
      const client = await RawQuicClient.connect({ addr: server, cert: certPem });
      await client.openControl(CLIENT_SETTINGS);
      const connect = await client.request(connectFields(server.port));
      assert.equal((await connect.readResponse()).status, 200);
      const control = await client.openBidirectional(
        concat(bidirectionalHeader(connect.id), CONNECT_AND_SUBSCRIBE),
      );
      return () => {
        void control;
        return client.close();
      };
    },
    async websocket(server) {
      const tcp = await dial(server, [
        "GET /rt/ws HTTP/1.1",
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol: slipstream.v1.binary",
      ]);
      // One frame, masked with zeros (RFC 6455 §5.2).
      const { length } = CONNECT_AND_SUBSCRIBE;
      assert.ok(length < 126);
      await tcp.write(
        concat(Uint8Array.of(0x82, 0x80 | length, 0, 0, 0, 0), CONNECT_AND_SUBSCRIBE),
      );
      return () => Promise.resolve(tcp.close());
    },
    async sse(server) {
      const tcp = await dial(server, ["GET /rt/sse?channel=chat:flood HTTP/1.1"]);
      return () => Promise.resolve(tcp.close());
    },
  };

async function dial(server: SlipstreamServer, head: readonly string[]): Promise<Deno.TcpConn> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: server.developmentPort! });
  const lines = [...head, `host: localhost:${server.developmentPort}`];
  await tcp.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
  return tcp;
}

for (const kind of ["webtransport", "websocket", "sse"] as const) {
  Deno.test(`${kind}: a subscriber that never reads is sent away, and costs the others nothing`, async () => {
    await withServer({}, async ({ server, client }) => {
      const reader = client("websocket");
      const seen: number[] = [];
      await reader.channel<{ number: number }>("chat:flood").subscribe({
        onPublication: ({ data }) => seen.push(data.number),
      }).ready;
      const end = await STALLED[kind](server);
      await until(() => server.sessions.count === 2, "the stalled session");
      const members = async () => (await reader.channel("chat:flood").presence()).length;
      while (await members() < 2);

      // Whatever the network takes in, this is more: the peer's windows, and the queue's 1 MiB.
      const filler = "x".repeat(32 * 1024);
      let number = 0;
      while (server.transports === 2) {
        assert.ok(number < 2000, "64 MiB were taken for a peer that reads nothing");
        await server.publish("chat:flood", { number: ++number, filler });
        await until(() => seen.length === number, "the reader keeps up");
      }
      assert.deepEqual(seen, Array.from({ length: number }, (_, index) => index + 1));
      assert.equal(reader.state, "connected");
      assert.equal(server.sessions.count, 2, "the stalled one may come back");
      await end();
    });
  });
}

for (const kind of ["webtransport", "websocket", "sse"] as const) {
  Deno.test(`${kind}: a peer that takes nothing is given up after the write timeout, and the app is told`, async () => {
    const outcomes: string[] = [];
    await withServer({
      namespaces: { chat: { overflow: "gap", permissions: OPEN } },
      session: { writeTimeoutMs: 1000 },
      onSlow: ({ outcome, channel }) => outcomes.push(`${outcome} ${channel}`),
    }, async ({ server }) => {
      const end = await STALLED[kind](server);
      await until(() => server.channel("chat:flood")?.subscribers === 1, "the subscription");
      const filler = "x".repeat(32 * 1024);
      for (let number = 0; server.pressure.dropped === 0; number++) {
        assert.ok(number < 2000, "64 MiB were taken for a peer that reads nothing");
        await server.publish("chat:flood", { number, filler });
        // So that what is queued leaves as far as the network takes it.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => server.pressure.closedAsSlow === 1, "the write timeout");
      assert.equal(outcomes[0], "gap chat:flood");
      assert.deepEqual(outcomes.slice(-2), ["behind chat:flood", "timeout chat:flood"]);
      await end();
    });
  });
}
