import assert from "node:assert/strict";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { EncodedMessage } from "../../src/protocol/encoded_message.ts";
import type { ServerMessage } from "../../src/protocol/message.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { FakeClock } from "../fake_clock.ts";
import { until } from "../until.ts";
import { encode, json, testConformance } from "./conformance.ts";
import { EventReader, SsePeer, SseServer } from "./sse_peer.ts";
import { Recorder } from "./test_peer.ts";

testConformance("SSE", "sse", (options) => SsePeer.open(options));

Deno.test("an event stream must not be cached, and is flushed by proxies", async () => {
  await using plain = await PlainStream.open("/rt/sse");
  assert.equal(plain.response.headers.get("content-type"), "text/event-stream");
  assert.equal(plain.response.headers.get("cache-control"), "no-store");
  assert.equal(plain.response.headers.get("x-accel-buffering"), "no");
  const open = await plain.events.next();
  assert.equal(open?.event, "open");
  assert.match(JSON.parse(open.data).transport, /^[0-9a-f]{32}$/);
});

Deno.test("messages of one write are one event, a line each", async () => {
  await using plain = await PlainStream.open("/rt/sse");
  await plain.events.next();
  plain.transport.control.write(encode({ type: "ping", id: 1 }, { type: "ping", id: 2 }));
  assert.deepEqual(await plain.events.next(), {
    event: "message",
    data: '{"type":"ping","id":1}\n{"type":"ping","id":2}',
    id: undefined,
    retry: undefined,
    comments: 0,
  });
});

const REFUSALS: [
  what: string,
  request: { headers?: Record<string, string>; body?: string },
  status: number,
  text: RegExp,
][] = [
  ["for no open stream", { headers: { "slipstream-transport": "0" } }, 404, /names an open stream/],
  ["that is a form's", { headers: { "content-type": "text/plain" } }, 415, /expected: text\/plain/],
  ["of no JSON", { body: "hello" }, 400, /A JSON object was expected: hello/],
  ["of a message too large", { body: `"${"x".repeat(2_000)}"` }, 413, /at most 1000 bytes/],
  ["of too many messages", { body: "x".repeat(5_000) }, 413, /at most 4000 bytes/],
];

for (const [what, { headers, body = '{"type":"leave"}' }, status, text] of REFUSALS) {
  Deno.test(`a POST ${what} is answered with ${status}`, async () => {
    await using peer = await SsePeer.open({ maxMessageBytes: 1_000, maxBatchBytes: 4_000 });
    const answer = await peer.post(body, headers);
    assert.equal(answer.status, status);
    assert.match(answer.text, text);
    assert.deepEqual(peer.receiver.received, []);
    // What is wrong with the request ends the request, what is wrong with a message the transport.
    assert.equal(peer.receiver.closings.length, status === 400 || status === 413 ? 1 : 0);
  });
}

Deno.test("a POST of bad UTF-8 is answered with 400 and closes with 3501", async () => {
  await using peer = await SsePeer.open();
  const answer = await peer.post(Uint8Array.of(0xff));
  assert.equal(answer.status, 400);
  assert.match(answer.text, /UTF-8 was expected/);
  assert.equal((await peer.receiver.ending).code, CloseCode.PROTOCOL_ERROR);
});

Deno.test("a POST whose body does not come is answered with 408, and harms nothing", async () => {
  const clock = new FakeClock();
  await using peer = await SsePeer.open({ clock, closeTimeoutMs: 1_000 });
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (own) => void (controller = own) });
  controller!.enqueue(new TextEncoder().encode('{"type":'));
  const posted = peer.post(body);
  await until(() => clock.pendingTimers > 0, "the body's timer runs");
  clock.advance(1_000);
  const answer = await posted;
  controller!.close();
  assert.equal(answer.status, 408);
  await peer.send({ type: "ping", id: 1 });
  assert.deepEqual(peer.receiver.received, [{ type: "ping", id: 1 }]);
});

Deno.test("a POST to a stream that has ended is answered with 404", async () => {
  await using peer = await SsePeer.open();
  peer.transport.close(4000, "");
  peer.drain();
  await peer.closed;
  assert.equal((await peer.post('{"type":"leave"}')).status, 404);
  assert.equal(peer.server.handler.size, 0);
});

Deno.test("a plain stream connects and subscribes by itself", async () => {
  await using plain = await PlainStream.open("/rt/sse?channel=a:b&channel=c&channel=a:b");
  assert.deepEqual(plain.receiver.received, [
    { type: "connect", id: 1 },
    { type: "subscribe", id: 2, channel: "a:b" },
    { type: "subscribe", id: 3, channel: "c" },
  ]);
});

Deno.test("a plain stream's id says where each ordered channel stands", async () => {
  await using plain = await PlainStream.open("/rt/sse?channel=a:b&channel=latest");
  const at = (offset: number) => ({ epoch: "e&=", offset });
  plain.write(
    {
      type: "subscribed",
      id: 2,
      channel: "a:b",
      delivery: "ordered",
      position: at(7),
      recovered: true,
    },
    {
      type: "subscribed",
      id: 3,
      channel: "latest",
      delivery: "latest",
      position: at(1),
      recovered: true,
    },
  );
  assert.equal((await plain.event()).id, "a%3Ab=7.e%26%3D");
  plain.write(publication("a:b", 8), publication("a:b", 9));
  const { data, id } = await plain.event();
  assert.equal(id, "a%3Ab=9.e%26%3D");
  assert.deepEqual(data.split("\n").map((line) => JSON.parse(line).offset), [8, 9]);
  plain.write(publication("latest", 2));
  assert.equal((await plain.event()).id, undefined);
  plain.write({ type: "gap", channel: "a:b", position: { epoch: "f", offset: 1 } });
  assert.equal((await plain.event()).id, "a%3Ab=1.f");
});

Deno.test("Last-Event-ID is where a plain stream goes on, and a channel without one begins", async () => {
  await using plain = await PlainStream.open("/rt/sse?channel=a:b&channel=c", {
    "last-event-id": "a%3Ab=9.e%26%3D",
  });
  assert.deepEqual(plain.receiver.received.slice(1), [
    { type: "subscribe", id: 2, channel: "a:b", position: { epoch: "e&=", offset: 9 } },
    { type: "subscribe", id: 3, channel: "c" },
  ]);
});

for (const id of ["nonsense", "a=b", "a=9", "a=-1.e", "a=99999999999999999999.e"]) {
  Deno.test(`the Last-Event-ID ${id} is refused: going on without it would be silent`, async () => {
    await using server = new SseServer(() => assert.fail("nothing is accepted"));
    const response = await server.fetch("/rt/sse?channel=a", { headers: { "last-event-id": id } });
    assert.equal(response.status, 400);
    assert.equal(
      await response.text(),
      `A Last-Event-ID of this server was expected: "${id}"\n`,
    );
  });
}

Deno.test("a plain stream shows a ping as a comment, and counts it as life once it is taken", async () => {
  await using plain = await PlainStream.open("/rt/sse?channel=a");
  const before = plain.receiver.aliveCount;
  plain.write({ type: "ping", id: 1 });
  const { comments, data } = await plain.event();
  assert.equal(comments, 1);
  assert.equal(data, "");
  assert(plain.receiver.aliveCount > before);
});

Deno.test("a plain stream spreads its clients' return by retry", async () => {
  await using plain = await PlainStream.open("/rt/sse?channel=a", {}, { random: () => 0.5 });
  plain.write({
    type: "connected",
    id: 1,
    session: "s",
    ticket: "t",
    resumed: false,
    resumeWindowMs: 0,
    pingIntervalMs: 0,
    pingMisses: 0,
    reconnectSpreadMs: 5_000,
    maxMessageBytes: 0,
  });
  assert.equal((await plain.event()).retry, "3500");
});

Deno.test("nobody can POST to a plain stream", async () => {
  await using plain = await PlainStream.open("/rt/sse?channel=a");
  assert.equal(plain.server.handler.size, 0);
});

function publication(channel: string, offset: number): ServerMessage {
  return { type: "publication", channel, offset, time: 0, data: json("x") };
}

/** An event stream as a bare HTTP client sees it. */
class PlainStream implements AsyncDisposable {
  readonly server: SseServer;
  readonly receiver: Recorder;
  readonly transport: Transport;
  readonly response: Response;
  readonly events: EventReader;

  private constructor(
    server: SseServer,
    receiver: Recorder,
    transport: Transport,
    response: Response,
  ) {
    this.server = server;
    this.receiver = receiver;
    this.transport = transport;
    this.response = response;
    this.events = new EventReader(response);
  }

  static async open(
    path: string,
    headers: Record<string, string> = {},
    options: ConstructorParameters<typeof SseServer>[1] = {},
  ): Promise<PlainStream> {
    const receiver = new Recorder();
    let transport: Transport | undefined;
    const server = new SseServer((accepted) => {
      transport = accepted;
      return receiver;
    }, options);
    const response = await server.fetch(path, { headers });
    return new PlainStream(server, receiver, transport!, response);
  }

  write(...messages: ServerMessage[]): void {
    this.transport.control.write(encode(...messages));
  }

  /** The next event after the opening comment. */
  async event() {
    let event = await this.events.next();
    if (!this.#opened && event?.comments === 1) event = await this.events.next();
    this.#opened = true;
    assert(event !== undefined);
    return event;
  }
  #opened = false;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.events.cancel();
    await this.receiver.ending;
    await this.server[Symbol.asyncDispose]();
  }
}

Deno.test("a stream whose peer reads nothing is over in time, and lingers until its TCP ends", async () => {
  const clock = new FakeClock();
  await using peer = await SsePeer.open({ clock, closeTimeoutMs: 1000 });
  const { control } = peer.transport;
  const filler = new EncodedMessage({
    type: "result",
    id: 1,
    data: { format: "binary", bytes: new Uint8Array(48 * 1024) },
  });
  // Until neither Deno nor the kernel has taken anything for a while.
  for (let stuck = 0; stuck < 100;) {
    stuck = control.bufferedBytes > 0 ? stuck + 1 : 0;
    if (stuck === 0) control.write([filler]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  peer.transport.close(CloseCode.SLOW_CONSUMER, "slow");
  assert.deepEqual(peer.receiver.closings, []);
  clock.advance(1000);
  assert.deepEqual(peer.receiver.closings, [{ code: CloseCode.SLOW_CONSUMER, reason: "slow" }]);
  let gone = false;
  const lingering = peer.receiver.lingering!.then(() => gone = true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(gone, false);
  await peer.cut();
  await lingering;
});
