import { SENDER } from "./test_peer.ts";
import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { encodeClientMessage } from "../../src/protocol/binary.ts";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import type { Transport, TransportAcceptor } from "../../src/transport/transport.ts";
import { WebSocketHandler } from "../../src/transport/websocket.ts";
import { FakeClock } from "../fake_clock.ts";
import { encode, json, testConformance } from "./conformance.ts";
import { RawWebSocket } from "./raw_websocket.ts";
import { Recorder } from "./test_peer.ts";
import { WebSocketPeer } from "./websocket_peer.ts";

testConformance(
  "WebSocket (binary)",
  "websocket",
  (options) => WebSocketPeer.open("binary", options),
);
testConformance("WebSocket (json)", "websocket", (options) => WebSocketPeer.open("json", options));

Deno.test("messages of one write are one WebSocket message, in either dialect", async () => {
  for (const encoding of ["binary", "json"] as const) {
    await using peer = await WebSocketPeer.open(encoding);
    peer.transport.control.write(encode({ type: "ping", id: 1 }, { type: "ping", id: 2 }));
    peer.transport.control.write(encode({ type: "ping", id: 3 }));
    for (let id = 1; id <= 3; id++) assert.deepEqual(await peer.next(), { type: "ping", id });
    assert.deepEqual(peer.batches, [2, 1]);
  }
});

Deno.test("a WebSocket that speaks the other dialect is closed with 3501", async () => {
  await using binary = await WebSocketPeer.open("binary");
  await binary.socket.sendText('{"type":"leave"}');
  binary.drain();
  assert.deepEqual(await binary.receiver.ending, {
    code: CloseCode.PROTOCOL_ERROR,
    reason: "A binary message was expected: text of length 16",
  });
  await using text = await WebSocketPeer.open("json");
  await text.socket.sendBinary(encodeClientMessage({ type: "leave" }));
  text.drain();
  assert.deepEqual(await text.receiver.ending, {
    code: CloseCode.PROTOCOL_ERROR,
    reason: "A text message was expected: 2 binary bytes",
  });
});

Deno.test("a WebSocket message that ends inside a frame is closed with 3501", async () => {
  await using peer = await WebSocketPeer.open("binary");
  await peer.socket.sendBinary(Uint8Array.of(2, 0x08, 1, 5, 0x08));
  peer.drain();
  const { code, reason } = await peer.receiver.ending;
  assert.equal(code, CloseCode.PROTOCOL_ERROR);
  assert.equal(reason, "Whole frames were expected: the last has 2 bytes");
  assert.deepEqual(peer.receiver.received, [{ type: "ping", id: 1 }]);
});

Deno.test("a WebSocket batch over the limit is closed with 3502", async () => {
  await using peer = await WebSocketPeer.open("binary", { maxBatchBytes: 2_000 });
  const rpc = { type: "rpc", id: 1, method: "m", data: json("x".repeat(900)) } as const;
  await peer.send(rpc, rpc, rpc);
  peer.drain();
  const { code, reason } = await peer.receiver.ending;
  assert.equal(code, CloseCode.MESSAGE_TOO_LARGE);
  assert.match(reason, /^A message of at most 2000 bytes was expected: \d+$/);
});

const CLOSINGS: [code: number, expected: number][] = [
  [1000, CloseCode.LEFT],
  [1001, CloseCode.TRANSPORT_LOST],
  [1009, CloseCode.TRANSPORT_LOST],
  [3000, 3000],
  [4999, 4999],
];

for (const [code, expected] of CLOSINGS) {
  Deno.test(`a client's WebSocket close ${code} is ${expected}`, async () => {
    await using peer = await WebSocketPeer.open("binary");
    await peer.close(code, "why");
    assert.deepEqual(await peer.receiver.ending, { code: expected, reason: "why" });
  });
}

Deno.test("a reason is cut to the 123 bytes of a WebSocket close frame", async () => {
  await using peer = await WebSocketPeer.open("binary");
  peer.transport.close(4000, "ü".repeat(62));
  peer.drain();
  assert.equal((await peer.closed).reason, "ü".repeat(61));
  assert.equal((await peer.receiver.ending).reason, "ü".repeat(62));
});

Deno.test("a close from within the acceptor reaches the client", async () => {
  let transport: Transport | undefined;
  const receiver = new Recorder();
  await withServer((accepted) => {
    transport = accepted;
    accepted.close(CloseCode.OVERLOADED, "full");
    return receiver;
  }, async (port) => {
    const socket = await RawWebSocket.connect(port, SUBPROTOCOL.binary);
    const message = await socket.readFrame();
    assert.equal(message?.opcode, 2, "the message `close` precedes the frame");
    const frame = await socket.readFrame();
    assert.equal(frame?.opcode, 8);
    assert.equal(256 * frame.payload[0]! + frame.payload[1]!, CloseCode.OVERLOADED);
    assert.equal(new TextDecoder().decode(frame.payload.subarray(2)), "full");
    socket.end();
    assert.deepEqual(await receiver.ending, { code: CloseCode.OVERLOADED, reason: "full" });
    assert.equal(transport?.kind, "websocket");
  });
});

Deno.test("the client's order of subprotocols decides the dialect; the answer names it", async () => {
  const offers: [offer: string, chosen: string][] = [
    [SUBPROTOCOL.binary, SUBPROTOCOL.binary],
    [SUBPROTOCOL.json, SUBPROTOCOL.json],
    [`chat, ${SUBPROTOCOL.json}, ${SUBPROTOCOL.binary}`, SUBPROTOCOL.json],
  ];
  const encodings: string[] = [];
  const receivers: Recorder[] = [];
  await withServer((transport) => {
    encodings.push(transport.encoding);
    receivers.push(new Recorder());
    return receivers.at(-1)!;
  }, async (port) => {
    for (const [offer, chosen] of offers) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, offer.split(", "));
      await new Promise((resolve) => socket.onopen = resolve);
      assert.equal(socket.protocol, chosen);
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      await closed;
    }
    for (const receiver of receivers) await receiver.ending;
  });
  assert.deepEqual(encodings, ["binary", "json", "json"]);
});

Deno.test("what is no upgrade of ours is refused with what was expected", async () => {
  await withServer(() => assert.fail("nothing is accepted"), async (port) => {
    const plain = await fetch(`http://127.0.0.1:${port}`);
    assert.equal(plain.status, 426);
    assert.equal(plain.headers.get("upgrade"), "websocket");
    assert.equal(await plain.text(), "A WebSocket upgrade was expected\n");
    const expected = "A subprotocol of slipstream.v1.binary or slipstream.v1.json was expected";
    for (
      const [header, error] of [
        ["", `${expected}: none`],
        ["Sec-WebSocket-Protocol: chat, slipstream.v2\r\n", `${expected}: chat, slipstream.v2`],
      ] as const
    ) {
      const answer = await upgrade(
        port,
        `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${header}`,
      );
      assert.match(answer, /^HTTP\/1.1 400 /);
      assert(answer.endsWith(`\r\n\r\n${error}\n`), answer);
    }
    const keyless = await upgrade(port, `Sec-WebSocket-Protocol: ${SUBPROTOCOL.binary}\r\n`);
    assert.match(keyless, /^HTTP\/1.1 400 /);
    assert.match(keyless, /Sec-WebSocket-Key/i);
  });
});

async function withServer(
  accept: TransportAcceptor,
  test: (port: number) => Promise<void>,
): Promise<void> {
  const handler = new WebSocketHandler();
  const stop = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, signal: stop.signal },
    (request) => handler.handle(request, { sender: SENDER }, accept),
  );
  try {
    await test(server.addr.port);
  } finally {
    stop.abort();
    await server.finished;
  }
}

/** Sends an upgrade request with these headers, and returns the whole answer. */
async function upgrade(port: number, headers: string): Promise<string> {
  using tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  await tcp.write(
    new TextEncoder().encode(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\n${headers}\r\n`,
    ),
  );
  let answer = "";
  const chunk = new Uint8Array(4_096);
  while (!/\r\n\r\n.+\n/.test(answer)) {
    const count = await tcp.read(chunk);
    if (count === null) break;
    answer += new TextDecoder().decode(chunk.subarray(0, count));
  }
  return answer;
}

Deno.test("a WebSocket whose peer does not take the close is over in time, and lingers until its TCP ends", async () => {
  const clock = new FakeClock();
  await using peer = await WebSocketPeer.open("binary", { clock, closeTimeoutMs: 1000 });
  peer.transport.close(CloseCode.SLOW_CONSUMER, "slow");
  clock.advance(999);
  assert.deepEqual(peer.receiver.closings, []);
  clock.advance(1);
  assert.deepEqual(peer.receiver.closings, [{ code: CloseCode.SLOW_CONSUMER, reason: "slow" }]);
  let gone = false;
  const lingering = peer.receiver.lingering!.then(() => gone = true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(gone, false);
  await peer.cut();
  await lingering;
  assert.deepEqual(peer.receiver.afterClosed, []);
});

Deno.test("a WebSocket whose peer takes the close does not linger", async () => {
  await using peer = await WebSocketPeer.open("binary");
  peer.transport.close(CloseCode.SLOW_CONSUMER, "slow");
  peer.drain();
  await peer.receiver.ending;
  assert.equal(peer.receiver.lingering, undefined);
});
