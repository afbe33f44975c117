import assert from "node:assert/strict";
import { StreamType, UnidirectionalStreamParser } from "../../src/http3/unidirectional_stream.ts";
import { toWebTransportError, type WebTransportSession } from "../../src/webtransport/mod.ts";
import { concat, hex } from "../bytes.ts";
import { CLIENT_SETTINGS } from "../conformance/raw_quic_client.ts";
import {
  bidirectionalHeader,
  CONNECT,
  type RawSession,
  unidirectionalHeader,
  withServer,
} from "../conformance/server.ts";
import { until } from "../until.ts";

/** Runs `test` with a session of which both sides are at hand, and nothing echoes. */
function withSession(
  test: (session: WebTransportSession, raw: RawSession) => Promise<void>,
  options: { client?: Deno.QuicTransportOptions; onError?: (error: unknown) => void } = {},
): Promise<void> {
  const { client: clientOptions = {}, onError = () => {} } = options;
  let session: WebTransportSession | undefined;
  return withServer(async (server) => {
    const client = await server.connect(clientOptions);
    await client.openControl(CLIENT_SETTINGS);
    const stream = await client.request(CONNECT);
    await stream.readResponse();
    await until(() => session !== undefined, "the session is accepted");
    await test(session!, { client, stream, id: stream.id });
  }, {
    onError,
    onWebTransport: async (request) => {
      session = await request.accept();
    },
  });
}

async function first<T>(readable: ReadableStream<T>): Promise<T> {
  const reader = readable.getReader();
  const { value, done } = await reader.read();
  reader.releaseLock();
  assert.equal(done, false);
  return value!;
}

Deno.test("a stream of the client's can be read in every way", () =>
  withSession(async (session, { client, id }) => {
    const open = async () => {
      const send = await client.openUnidirectional(
        concat(unidirectionalHeader(id), hex("010203040506")),
      );
      await send.end();
      return await first(session.incomingUnidirectionalStreams);
    };
    const whole = await new Response(await open()).arrayBuffer();
    assert.deepEqual(new Uint8Array(whole), hex("010203040506"));

    const reader = (await open()).getReader({ mode: "byob" });
    const parts: Uint8Array[] = [];
    while (true) {
      const { value, done } = await reader.read(new Uint8Array(4));
      if (done) break;
      parts.push(value);
    }
    assert.deepEqual(concat(...parts), hex("010203040506"));

    const chunks: Uint8Array[] = [];
    for await (const chunk of await open()) chunks.push(chunk);
    assert.deepEqual(concat(...chunks), hex("010203040506"));
  }));

Deno.test("cancel() on a stream of the client's tells it to stop", () =>
  withSession(async (session, { client, id }) => {
    const stream = await client.openBidirectional(concat(bidirectionalHeader(id), hex("01")));
    const { readable } = await first(session.incomingBidirectionalStreams);
    await readable.cancel();
    assert.equal(await stream.stopped(), 0);
  }));

Deno.test("a writable whose stream the client stops fails, as a WebTransportError says", () =>
  withSession(async (session, { client, id }) => {
    const stream = await client.openBidirectional(concat(bidirectionalHeader(id), hex("01")));
    const { writable } = await first(session.incomingBidirectionalStreams);
    await stream.cancel();
    const writer = writable.getWriter();
    let failure: unknown;
    await until(() => {
      writer.write(new Uint8Array(1)).catch((error) => failure = error);
      return failure !== undefined;
    }, "a write fails");
    const error = toWebTransportError(failure);
    assert.equal(error.source, "stream");
    assert.equal(error.streamErrorCode, null);
  }));

Deno.test("a readable fails with a WebTransportError when its session is gone", () =>
  withSession(async (session, { client, id }) => {
    await client.openBidirectional(concat(bidirectionalHeader(id), hex("01")));
    const { readable } = await first(session.incomingBidirectionalStreams);
    const reader = readable.getReader();
    await reader.read();
    const reading = reader.read();
    await client.close(0x10c);
    await assert.rejects(reading, (error) => {
      return error instanceof WebTransportError && error.source === "session";
    });
    await assert.rejects(session.closed, WebTransportError);
  }));

Deno.test("create*Stream() opens streams that begin with the Session ID", () =>
  withSession(async (session, { client, id }) => {
    const writer = (await session.createUnidirectionalStream()).getWriter();
    await writer.write(hex("aa"));
    const parser = new UnidirectionalStreamParser();
    // The first unidirectional stream is the server's control stream.
    const incoming = client.conn.incomingUnidirectionalStreams.getReader();
    await incoming.read();
    const bytes = await first((await incoming.read()).value!);
    parser.push(bytes);
    assert.deepEqual(parser.next(), { type: StreamType.WEBTRANSPORT, sessionId: id });

    const { writable } = await session.createBidirectionalStream();
    await writable.getWriter().write(hex("bb"));
    const bidirectional = await first(client.conn.incomingBidirectionalStreams);
    assert.deepEqual(
      (await first(bidirectional.readable)).subarray(0, 3),
      bidirectionalHeader(id),
    );
  }));

Deno.test("create*Stream() over the client's limit throws a RangeError, or waits", () =>
  withSession(async (session, { client }) => {
    const opened = await session.createBidirectionalStream();
    await assert.rejects(session.createBidirectionalStream(), RangeError);
    const waiting = session.createBidirectionalStream({ waitUntilAvailable: true });
    await opened.writable.close();
    const remote = await first(client.conn.incomingBidirectionalStreams);
    for await (const _ of remote.readable);
    await remote.writable.close();
    for await (const _ of opened.readable);
    assert.ok(await waiting);
  }, { client: { maxConcurrentBidirectionalStreams: 1 } }));

Deno.test("after close() nothing is opened or sent, and the first code counts", () =>
  withSession(async (session, { stream }) => {
    const incoming = session.incomingBidirectionalStreams.getReader().read();
    session.close({ closeCode: 1, reason: "first" });
    session.close({ closeCode: 2, reason: "second" });
    assert.equal(session.datagrams.send(hex("01")), false);
    assert.equal(session.datagrams.maxDatagramSize, 0);
    await assert.rejects(session.createUnidirectionalStream(), WebTransportError);
    assert.equal((await incoming).done, true);
    await stream.readBody();
    await stream.end();
    assert.deepEqual(await session.closed, { closeCode: 1, reason: "first" });
  }));

Deno.test("close() refuses a code that is no unsigned 32-bit integer, and the session goes on", () =>
  withSession((session) => {
    assert.throws(() => session.close({ closeCode: -1 }), RangeError);
    assert.ok(session.datagrams.send(hex("01")));
    return Promise.resolve();
  }));

Deno.test("datagrams can be read as a stream, and those that wait go to onDatagram first", () =>
  withSession(async (session, { client, id }) => {
    const reading = first(session.datagrams.readable);
    await client.sendDatagram(id, hex("01"));
    assert.deepEqual(await reading, hex("01"));

    const got: number[] = [];
    await client.sendDatagram(id, hex("02"));
    await client.sendDatagram(id, hex("03"));
    // A stream is no faster than the datagrams before it on loopback, and says that they are here.
    await client.openUnidirectional(concat(unidirectionalHeader(id), hex("00")));
    await first(session.incomingUnidirectionalStreams);
    session.datagrams.onDatagram = (payload) => got.push(payload[0]!);
    await client.sendDatagram(id, hex("04"));
    await until(() => got.includes(4), "the last datagram is here");
    assert.deepEqual(got, [2, 3, 4]);
  }));

Deno.test("onDatagram that throws is told, and the session goes on", () => {
  const errors: unknown[] = [];
  return withSession(async (session, { client, id }) => {
    session.datagrams.onDatagram = () => {
      throw new Error("broken");
    };
    await client.sendDatagram(id, hex("01"));
    await until(() => errors.length === 1, "the error is told");
    assert.ok(session.datagrams.send(hex("02")));
  }, { onError: (error) => errors.push(error) });
});

Deno.test("remoteAddr is the client's, and is kept after the end", () =>
  withSession(async (session, { client }) => {
    const { port } = session.remoteAddr;
    assert.equal(session.remoteAddr.hostname, "127.0.0.1");
    await client.close();
    await session.closed;
    assert.equal(session.remoteAddr.port, port);
  }));
