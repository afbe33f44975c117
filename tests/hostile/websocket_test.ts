import assert from "node:assert/strict";
import type { SlipstreamServer } from "../../src/mod.ts";
import { concat, hex } from "../bytes.ts";
import { until } from "../until.ts";
import { besideHonest } from "./beside_honest.ts";
import { CONNECT } from "./message_source.ts";
import { dial, requestOf } from "./raw_http.ts";
import type { RawTcp } from "./raw_tcp.ts";
import { webSocketFrame } from "./tcp_attacks.ts";

const MIB = 1 << 20;

/** A frame of `payload` that only says how long it is and how it is masked. */
const head = (opcode: number, length: bigint) => {
  const bytes = new Uint8Array(14);
  bytes.set([opcode, 0xff]);
  new DataView(bytes.buffer).setBigUint64(2, length);
  return bytes;
};

/** Frames that RFC 6455 forbids, or that say more than anybody may. */
const FORBIDDEN: Readonly<Record<string, Uint8Array>> = {
  "a frame without a mask": hex("82 02 01 02"),
  "a reserved bit": hex("c2 80 00000000"),
  "all reserved bits": hex("f2 80 00000000"),
  "a reserved opcode": hex("83 80 00000000"),
  "a reserved control opcode": hex("8b 80 00000000"),
  "a ping in fragments": hex("09 80 00000000"),
  "a ping of more than 125 bytes": concat(hex("89 fe 007e 00000000"), new Uint8Array(126)),
  "a continuation of nothing": hex("80 80 00000000"),
  "a message within a message": concat(
    webSocketFrame(0x02, hex("01")),
    webSocketFrame(0x82, hex("01")),
  ),
  "text that is no UTF-8": webSocketFrame(0x81, hex("c0 af")),
  "text in the binary dialect": webSocketFrame(0x81, hex("61")),
  "a close of one byte": webSocketFrame(0x88, hex("03")),
  "a close with a code that nobody may send": webSocketFrame(0x88, hex("03 ed")),
  "a close whose reason is no UTF-8": webSocketFrame(0x88, hex("0fa0 c0 af")),
  "a frame of 2^62 bytes": head(0x82, 1n << 62n),
  "a frame of 2^63 bytes": head(0x82, 1n << 63n),
  "a frame of 1 GiB": head(0x82, 1n << 30n),
  "a message over the limit": webSocketFrame(0x82, hex("fd ffff ff")),
};

async function upgrade(server: SlipstreamServer): Promise<RawTcp> {
  const tcp = await dial(server);
  await tcp.write(requestOf(server, "GET /rt/ws", {
    origin: `http://localhost:${server.developmentPort}`,
    connection: "upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "slipstream.v1.binary",
  }));
  await until(() => tcp.received.includes("\r\n\r\n"), "the answer to the upgrade");
  return tcp;
}

Deno.test("frames that no peer may send end their WebSocket, and no other", async () => {
  await besideHonest("websocket", async ({ server, log }) => {
    for (const [what, frames] of Object.entries(FORBIDDEN)) {
      await using tcp = await upgrade(server);
      const head = tcp.received.length;
      await tcp.write(frames);
      // A close frame, or the end of TCP: the server takes nothing more.
      await until(() => tcp.ended || tcp.received.slice(head).includes("\x88"), what);
      await tcp.write(webSocketFrame(0x82, CONNECT.binary));
    }
    await until(() => server.transports === 1, "the end of all");
    assert.equal(server.sessions.count, 1);
    assert.deepEqual(log, []);
  });
});

Deno.test("a flood of pings is answered to its peer alone", async () => {
  await besideHonest("websocket", async ({ server }) => {
    await using tcp = await upgrade(server);
    const pings = concat(...Array.from({ length: 1000 }, () => webSocketFrame(0x89, hex("00"))));
    for (let sent = 0; sent < 50; sent++) await tcp.write(pings);
    await tcp.endWriting();
    await tcp.end();
  });
});

Deno.test({
  name:
    "a message that does not end, in one frame or in fragments, is cut off before it fills the memory",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const chunk = new Uint8Array(MIB);
    const part = (opcode: number) => concat(head(opcode, BigInt(MIB)), chunk);
    const starts: Readonly<Record<string, readonly [Uint8Array, Uint8Array]>> = {
      "one frame": [head(0x82, 60n << 20n), chunk],
      fragments: [part(0x02), part(0x00)],
    };
    for (const [what, [first, next]] of Object.entries(starts)) {
      await besideHonest("websocket", async ({ server, log }) => {
        const attackers = await Promise.all(Array.from({ length: 8 }, () => upgrade(server)));
        await Promise.all(attackers.map(async (tcp) => {
          await tcp.write(first);
          for (let sent = 1; sent < 59 && !tcp.ended; sent++) {
            await Promise.race([tcp.write(next), tcp.end()]);
          }
        }));
        await until(() => attackers.every(({ ended }) => ended), what);
        assert.match(log.join("\n"), /sockets were cut off: they brought bytes and no message/);
        for (const tcp of attackers) await tcp[Symbol.asyncDispose]();
      });
    }
  },
});
