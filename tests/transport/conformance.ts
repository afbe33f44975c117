import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { EncodedMessage } from "../../src/protocol/encoded_message.ts";
import type { ClientMessage, Payload, ServerMessage } from "../../src/protocol/message.ts";
import type { Lane, TransportKind } from "../../src/transport/transport.ts";
import { until } from "../until.ts";
import type { OpenPeer, TestPeer } from "./test_peer.ts";

/** What every transport must do, tested over real sockets. */
export function testConformance(name: string, kind: TransportKind, open: OpenPeer): void {
  const test = (
    what: string,
    run: (peer: TestPeer) => Promise<void>,
    options?: Parameters<OpenPeer>[0],
  ) =>
    Deno.test(`${name} ${what}`, async () => {
      await using peer = await open(options);
      await run(peer);
      assert.deepEqual(peer.receiver.afterClosed, []);
    });

  test("says what it is and who is there", async ({ transport }) => {
    assert.equal(transport.kind, kind);
    assert.equal(transport.peer.address, "127.0.0.1");
    assert.equal(transport.control.bufferedBytes, 0);
    await Promise.resolve();
  });

  test("hands on what the client sends, in its order", async (peer) => {
    await peer.send(...CLIENT_MESSAGES);
    await peer.send({ type: "ping", id: 99 });
    await until(() => peer.receiver.received.length > CLIENT_MESSAGES.length);
    assert.deepEqual(peer.receiver.received, [...CLIENT_MESSAGES, { type: "ping", id: 99 }]);
    assert(peer.receiver.aliveCount >= 1);
  });

  test("delivers what is written, in its order", async (peer) => {
    peer.transport.control.write(encode(...SERVER_MESSAGES.slice(0, 3)));
    peer.transport.control.write(encode(...SERVER_MESSAGES.slice(3)));
    for (const message of SERVER_MESSAGES) assert.deepEqual(await peer.next(), message);
  });

  test("carries thousands of messages both ways", async (peer) => {
    for (let id = 0; id < 3_000; id += 50) {
      peer.transport.control.write(encode(...pings(id)));
      await peer.send(...pings(id));
    }
    for (let id = 0; id < 3_000; id++) assert.deepEqual(await peer.next(), { type: "ping", id });
    await until(() => peer.receiver.received.length === 3_000);
    assert(peer.receiver.received.every((message, id) => "id" in message && message.id === id));
  });

  test("carries messages of 64 KiB both ways", async (peer) => {
    const data = json("x".repeat(65_000));
    await peer.send({ type: "rpc", id: 1, method: "m", data });
    peer.transport.control.write(encode({ type: "result", id: 1, data }));
    assert.deepEqual(await peer.next(), { type: "result", id: 1, data });
    await until(() => peer.receiver.received.length === 1);
    assert.deepEqual(peer.receiver.received, [{ type: "rpc", id: 1, method: "m", data }]);
  });

  test(
    "closes with 3502 for a message over the limit, and takes nothing after it",
    async (peer) => {
      const large: ClientMessage = {
        type: "rpc",
        id: 2,
        method: "m",
        data: json("x".repeat(1_000)),
      };
      await peer.send({ type: "ping", id: 1 }, large, { type: "ping", id: 3 });
      peer.drain();
      const { code, reason } = await peer.receiver.ending;
      assert.equal(code, CloseCode.MESSAGE_TOO_LARGE);
      assert.match(reason, /^A message of at most 1000 bytes was expected: 10\d\d$/);
      assert.deepEqual(await peer.closed, { code, reason });
      assert.deepEqual(peer.receiver.received, [{ type: "ping", id: 1 }]);
    },
    { maxMessageBytes: 1_000 },
  );

  test("closes with 3501 for what is no message, saying what was expected", async (peer) => {
    await peer.sendGarbage();
    peer.drain();
    const { code, reason } = await peer.receiver.ending;
    assert.equal(code, CloseCode.PROTOCOL_ERROR);
    assert.match(reason, /was expected: /);
    assert.deepEqual(await peer.closed, { code, reason });
    assert.deepEqual(peer.receiver.received, []);
  });

  test("brings a close's code and reason to the client, the first one alone", async (peer) => {
    peer.transport.close(4321, "tschüß");
    peer.transport.close(4322, "again");
    peer.drain();
    assert.deepEqual(await peer.closed, { code: 4321, reason: "tschüß" });
    assert.deepEqual(await peer.receiver.ending, { code: 4321, reason: "tschüß" });
  });

  test("sends what was written before a close", async (peer) => {
    peer.transport.control.write(encode(...SERVER_MESSAGES));
    peer.transport.close(3000, "");
    for (const message of SERVER_MESSAGES) assert.deepEqual(await peer.next(), message);
    peer.drain();
    assert.deepEqual(await peer.closed, { code: 3000, reason: "" });
  });

  test("cuts a long reason between characters", async (peer) => {
    peer.transport.close(4000, "ü".repeat(600));
    peer.drain();
    const { code, reason } = await peer.closed;
    assert.equal(code, 4000);
    assert.match(reason, /^ü{61,600}$/);
    await peer.receiver.ending;
  });

  test("hands on the client's close, where the client can say one", async (peer) => {
    if (peer.close === undefined) return;
    await peer.close(4100, "enough");
    assert.deepEqual(await peer.receiver.ending, { code: 4100, reason: "enough" });
  });

  test("tells 3004 once when the client breaks off", async (peer) => {
    await peer.send({ type: "ping", id: 1 });
    await until(() => peer.receiver.received.length === 1);
    await peer.cut();
    assert.equal((await peer.receiver.ending).code, CloseCode.TRANSPORT_LOST);
    peer.transport.close(4000, "too late");
    assert.equal(peer.receiver.closings.length, 1);
  });

  test("counts what a slow reader leaves, and says when it has caught up", async (peer) => {
    const { control } = peer.transport;
    const written = await fill(control, 65_536);
    const { drainedLanes } = peer.receiver;
    const before = drainedLanes.length;
    peer.drain();
    await until(() => drainedLanes.length > before, "drained is told");
    assert.equal(drainedLanes.at(-1), control);
    assert(control.bufferedBytes <= 32_768, `${control.bufferedBytes} of ${written}`);
  });

  test("says again that a slow reader has caught up", async (peer) => {
    const { control } = peer.transport;
    for (let round = 1; round <= 3; round++) {
      // More than any buffer on the way holds, while the client reads all the time.
      const before = peer.receiver.drainedLanes.length;
      for (let bytes = 0; bytes < 4_000_000; bytes += CHUNK_BYTES) control.write(CHUNK);
      assert(control.bufferedBytes >= 65_536);
      peer.drain();
      await until(() => control.bufferedBytes === 0, "all is taken");
      await until(() => peer.receiver.drainedLanes.length === before + 1, "drained is told");
    }
  });

  test("gives up a close that the client does not read", async (peer) => {
    await fill(peer.transport.control, 65_536);
    peer.transport.close(CloseCode.SLOW_CONSUMER, "slow");
    assert.deepEqual(await peer.receiver.ending, { code: CloseCode.SLOW_CONSUMER, reason: "slow" });
  }, { closeTimeoutMs: 50 });

  test("does nothing after its end, and says nothing", async (peer) => {
    peer.transport.close(4000, "");
    peer.transport.control.write(encode({ type: "ping", id: 1 }));
    peer.drain();
    await peer.receiver.ending;
    peer.transport.control.write(encode({ type: "ping", id: 2 }));
    peer.transport.control.close();
    assert.equal(peer.transport.openLane(), undefined);
    assert.equal(peer.transport.sendDatagram(encode({ type: "ping", id: 3 })), false);
    assert.equal(peer.transport.maxDatagramSize, 0);
    await peer.send({ type: "ping", id: 4 }).catch(() => {});
    assert.deepEqual(peer.receiver.received, []);
    assert.deepEqual(await peer.closed, { code: 4000, reason: "" });
  });

  test("takes nothing that comes after a close from within", async (peer) => {
    peer.receiver.onReceive = () => peer.transport.close(4000, "");
    await peer.send({ type: "ping", id: 1 }, { type: "ping", id: 2 });
    peer.drain();
    await peer.receiver.ending;
    assert.deepEqual(peer.receiver.received, [{ type: "ping", id: 1 }]);
  });

  const errors: unknown[] = [];
  test("closes with 3005 for an error that is the server's, and tells it", async (peer) => {
    peer.receiver.onReceive = () => {
      throw new Error("a bug");
    };
    await peer.send({ type: "ping", id: 1 });
    peer.drain();
    assert.deepEqual(await peer.receiver.ending, {
      code: CloseCode.INTERNAL_ERROR,
      reason: "Internal error",
    });
    assert.deepEqual(errors.map(String), ["Error: a bug"]);
  }, { onError: (error) => errors.push(error) });
}

/** Messages as a session queues them. */
export function encode(...messages: ServerMessage[]): EncodedMessage[] {
  return messages.map((message) => new EncodedMessage(message));
}

/** A JSON string as a payload. */
export function json(text: string): Payload {
  return { format: "json", bytes: new TextEncoder().encode(JSON.stringify(text)) };
}

/** Writes until `lane` holds `bytes` of what its client does not read; how much was written. */
export async function fill(lane: Lane, bytes: number): Promise<number> {
  let written = 0;
  // The network takes what it has room for only between turns.
  for (let quiet = 0; quiet < 20;) {
    if (lane.bufferedBytes < bytes) {
      lane.write(CHUNK);
      written += CHUNK_BYTES;
      quiet = 0;
    } else {
      quiet++;
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return written;
}

const CHUNK_BYTES = 60_000;
const CHUNK = encode({ type: "result", id: 1, data: json("x".repeat(CHUNK_BYTES)) });

function pings(from: number): { type: "ping"; id: number }[] {
  return Array.from({ length: 50 }, (_, index) => ({ type: "ping", id: from + index }));
}

const position = { epoch: "e", offset: 7 };
const binary: Payload = { format: "binary", bytes: Uint8Array.of(0, 1, 255) };

const CLIENT_MESSAGES: readonly ClientMessage[] = [
  { type: "connect", id: 1, info: json("me") },
  {
    type: "connect",
    id: 2,
    resume: { session: "s", ticket: "t", positions: [{ channel: "a:b", ...position }] },
  },
  { type: "subscribe", id: 3, channel: "a:b", position },
  { type: "publish", id: 4, channel: "a:b", key: "k", data: binary },
  { type: "publish", id: 0, channel: "a:b", data: json("ü\n") },
  { type: "presence", id: 5, channel: "a:b" },
  { type: "history", id: 6, channel: "a:b", limit: 10, since: position },
  { type: "rpc", id: 7, method: "m", data: json("x") },
  { type: "unsubscribe", id: 8, channel: "a:b" },
  { type: "pong", id: 9 },
  { type: "leave" },
];

const publication = { channel: "a:b", offset: 8, time: 1_700_000_000_000, data: json("ü\n") };
const member = { session: "s", info: json("me") };

const SERVER_MESSAGES: readonly ServerMessage[] = [
  {
    type: "connected",
    id: 1,
    session: "s",
    ticket: "t",
    resumed: false,
    resumeWindowMs: 60_000,
    pingIntervalMs: 30_000,
    pingMisses: 3,
    reconnectSpreadMs: 5_000,
    maxMessageBytes: 65_536,
  },
  { type: "subscribed", id: 2, channel: "a:b", delivery: "ordered", position, recovered: true },
  { type: "publication", ...publication, key: "k", publisher: "s" },
  { type: "published", id: 3, position },
  { type: "members", id: 4, channel: "a:b", members: [member, { session: "t" }] },
  {
    type: "history",
    id: 5,
    channel: "a:b",
    publications: [publication],
    position,
    complete: true,
  },
  { type: "result", id: 6, data: binary },
  { type: "error", id: 7, code: 404, message: "No such method: m" },
  { type: "gap", channel: "a:b", position, missed: 3 },
  { type: "join", channel: "a:b", member },
  { type: "leave", channel: "a:b", member },
  { type: "ping", id: 8 },
  { type: "pong", id: 9 },
  { type: "unsubscribed", id: 0, channel: "a:b", code: 403, reason: "no" },
  { type: "drain", delayMs: 1_000 },
];
