import assert from "node:assert/strict";
import { encodeClientMessage } from "../../src/protocol/binary.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import type { Publish } from "../../src/protocol/message.ts";
import { concat } from "../bytes.ts";
import { bidirectionalHeader, unidirectionalHeader } from "../conformance/server.ts";
import { FakeClock } from "../fake_clock.ts";
import { until } from "../until.ts";
import { encode, fill, json, testConformance } from "./conformance.ts";
import { WebTransportPeer } from "./webtransport_peer.ts";

testConformance("WebTransport", "webtransport", (options) => WebTransportPeer.open(options));

const publish: Publish = { type: "publish", id: 0, channel: "a", key: "k", data: json("x") };

Deno.test("a lane that is not read holds up no other", async () => {
  await using peer = await WebTransportPeer.open();
  const stalled = peer.transport.openLane()!;
  const moving = peer.transport.openLane()!;
  const lanes = peer.lanes();
  stalled.write(encode({ type: "ping", id: 1 }));
  const first = (await lanes.next()).value!;
  assert.deepEqual(await first.next(), { type: "ping", id: 1 });
  await fill(stalled, 65_536);
  moving.write(encode({ type: "ping", id: 2 }));
  peer.transport.control.write(encode({ type: "ping", id: 3 }));
  const second = (await lanes.next()).value!;
  assert.deepEqual(await second.next(), { type: "ping", id: 2 });
  assert.deepEqual(await peer.next(), { type: "ping", id: 3 });
  assert(stalled.bufferedBytes >= 65_536);
  first.drain();
  await until(() => stalled.bufferedBytes === 0, "the stalled lane is read");
  assert(peer.receiver.drainedLanes.includes(stalled));
  assert(!peer.receiver.drainedLanes.includes(moving));
  await lanes.return(undefined);
});

Deno.test("what is written at once to a new lane arrives, and its close is its end", async () => {
  await using peer = await WebTransportPeer.open();
  const lane = peer.transport.openLane()!;
  lane.write(encode({ type: "ping", id: 1 }, { type: "ping", id: 2 }));
  lane.write(encode({ type: "ping", id: 3 }));
  lane.close();
  lane.write(encode({ type: "ping", id: 4 }));
  const lanes = peer.lanes();
  const read = (await lanes.next()).value!;
  for (let id = 1; id <= 3; id++) assert.deepEqual(await read.next(), { type: "ping", id });
  await assert.rejects(read.next(), /the end/);
  await lanes.return(undefined);
});

Deno.test("lanes are capped, and a closed one makes room", async () => {
  await using peer = await WebTransportPeer.open({ maxLanes: 2 });
  const lane = peer.transport.openLane();
  assert(lane !== undefined);
  assert(peer.transport.openLane() !== undefined);
  assert.equal(peer.transport.openLane(), undefined);
  lane.close();
  await until(() => peer.transport.openLane() !== undefined, "there is room");
  assert.equal(peer.transport.openLane(), undefined);
});

Deno.test("a datagram carries whole frames, and no more than fits", async () => {
  await using peer = await WebTransportPeer.open();
  const { transport } = peer;
  assert(transport.maxDatagramSize > 1_000);
  assert.equal(
    transport.sendDatagram(encode({ type: "ping", id: 1 }, { type: "ping", id: 2 })),
    true,
  );
  assert.deepEqual([...await peer.readDatagram()], [2, 8, 1, 2, 8, 2]);
  const large = encode({
    type: "result",
    id: 1,
    data: json("x".repeat(transport.maxDatagramSize)),
  });
  assert.equal(transport.sendDatagram(large), false);
});

Deno.test("datagrams in flight are capped", async () => {
  await using peer = await WebTransportPeer.open();
  const messages = encode({ type: "ping", id: 1 });
  let sent = 0;
  while (sent < 100_000 && peer.transport.sendDatagram(messages)) sent++;
  assert(sent > 0 && sent < 100_000, `${sent} sent in one turn`);
});

Deno.test("a datagram brings publications without acknowledgement", async () => {
  await using peer = await WebTransportPeer.open();
  await peer.sendDatagram(concat(encodeClientMessage(publish), encodeClientMessage(publish)));
  await until(() => peer.receiver.received.length === 2);
  assert.deepEqual(peer.receiver.received, [publish, publish]);
});

Deno.test("a datagram without bytes is a sign of life and nothing else", async () => {
  await using peer = await WebTransportPeer.open();
  await peer.sendDatagram(new Uint8Array(0));
  await until(() => peer.receiver.aliveCount === 1);
  assert.deepEqual(peer.receiver.received, []);
  assert.deepEqual(peer.receiver.closings, []);
});

const BAD_DATAGRAMS: [what: string, payload: Uint8Array, reason: RegExp][] = [
  [
    "a command",
    encodeClientMessage({ type: "subscribe", id: 1, channel: "a" }),
    /A publish with id 0, or seen, was expected in a datagram: subscribe/,
  ],
  [
    "a publish with an id",
    encodeClientMessage({ ...publish, id: 1 }),
    /id 0, or seen, was expected/,
  ],
  ["half a frame", encodeClientMessage(publish).subarray(0, 5), /the last has 5 bytes/],
  ["garbage", Uint8Array.of(1, 0x7f), /A known message type was expected/],
];

for (const [what, payload, expected] of BAD_DATAGRAMS) {
  Deno.test(`a datagram with ${what} closes with 3501`, async () => {
    await using peer = await WebTransportPeer.open();
    await peer.sendDatagram(payload);
    peer.drain();
    const { code, reason } = await peer.receiver.ending;
    assert.equal(code, CloseCode.PROTOCOL_ERROR);
    assert.match(reason, expected);
    assert.deepEqual(await peer.closed, { code, reason });
  });
}

Deno.test("a second bidirectional stream closes with 3501", async () => {
  await using peer = await WebTransportPeer.open();
  await peer.session.client.openBidirectional(bidirectionalHeader(peer.session.id));
  assert.deepEqual(await peer.receiver.ending, {
    code: CloseCode.PROTOCOL_ERROR,
    reason: "One bidirectional stream was expected: a second",
  });
});

Deno.test("a unidirectional stream of the client closes with 3501", async () => {
  await using peer = await WebTransportPeer.open();
  await peer.session.client.openUnidirectional(unidirectionalHeader(peer.session.id));
  assert.equal((await peer.receiver.ending).code, CloseCode.PROTOCOL_ERROR);
});

Deno.test("a client that ends its control stream alone is lost", async () => {
  const clock = new FakeClock();
  await using peer = await WebTransportPeer.open({ clock });
  await peer.endControl();
  await until(() => clock.pendingTimers === 1, "the close is awaited");
  clock.advance(1_000);
  peer.drain();
  assert.equal((await peer.receiver.ending).code, CloseCode.TRANSPORT_LOST);
  assert.equal((await peer.closed).code, CloseCode.TRANSPORT_LOST);
});

Deno.test("a client that ends its control stream and then closes is not taken for lost", async () => {
  await using peer = await WebTransportPeer.open();
  await peer.endControl();
  await peer.close(CloseCode.LEFT, "");
  assert.deepEqual(await peer.receiver.ending, { code: CloseCode.LEFT, reason: "" });
});

Deno.test("a browser that ends the session of a frozen page, without a code, may come back", async () => {
  await using peer = await WebTransportPeer.open();
  await peer.close(0, "");
  assert.equal((await peer.receiver.ending).code, CloseCode.TRANSPORT_LOST);
});

Deno.test("a client that stops reading its control stream is lost", async () => {
  const clock = new FakeClock();
  await using peer = await WebTransportPeer.open({ clock });
  await peer.stopControl();
  await until(() => {
    peer.transport.control.write(encode({ type: "ping", id: 1 }));
    return clock.pendingTimers === 1;
  }, "a write has failed");
  clock.advance(1_000);
  // The control stream is gone: the close capsule waits for nothing but the linger.
  clock.advance(250);
  assert.equal((await peer.receiver.ending).code, CloseCode.TRANSPORT_LOST);
  assert.equal((await peer.closed).code, CloseCode.TRANSPORT_LOST);
});

Deno.test("a close waits for lanes that still have something to send", async () => {
  await using peer = await WebTransportPeer.open();
  const lane = peer.transport.openLane()!;
  for (let id = 1; id <= 100; id++) lane.write(encode({ type: "ping", id }));
  peer.transport.close(4000, "done");
  const lanes = peer.lanes();
  const read = (await lanes.next()).value!;
  for (let id = 1; id <= 100; id++) assert.deepEqual(await read.next(), { type: "ping", id });
  peer.drain();
  assert.deepEqual(await peer.closed, { code: 4000, reason: "done" });
  await lanes.return(undefined);
});
