import assert from "node:assert/strict";
import { encodeCapsule } from "../../src/http3/capsule.ts";
import { ErrorCode } from "../../src/http3/error.ts";
import { encodeFrame, encodeFrameHeader, FrameType } from "../../src/http3/frame.ts";
import { encodeFieldSection, type Field } from "../../src/http3/qpack.ts";
import { OriginPolicy } from "../../src/policy/origin.ts";
import { WebTransportErrorCode } from "../../src/webtransport/error_code.ts";
import { concat, hex } from "../bytes.ts";
import { until } from "../until.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "./raw_quic_client.ts";
import {
  besideHonest,
  bidirectionalHeader,
  checkEcho,
  CONNECT,
  data,
  echo,
  type RawSession,
  type TestServer,
  unidirectionalHeader,
  withServer,
} from "./server.ts";
import { UdpProxy } from "./udp_proxy.ts";

const CLOSE = 0x2843;
const DRAIN = 0x78ae;
const HELLO = hex("68656c6c6f");

const close = (payload: string) => data(encodeCapsule(CLOSE, hex(payload)));

/** `fields` with the value of `name` replaced, or that field left out. */
function change(fields: readonly Field[], name: string, value?: string): Field[] {
  return fields.flatMap((field): Field[] =>
    field[0] !== name ? [field] : value === undefined ? [] : [[name, value]]
  );
}

/** A client that has sent its SETTINGS. */
async function connected(server: TestServer): Promise<RawQuicClient> {
  const client = await server.connect();
  await client.openControl(CLIENT_SETTINGS);
  return client;
}

const HELD = change(CONNECT, ":path", "/held");

Deno.test("a CONNECT is accepted under either name of the protocol", () =>
  withServer(async (server) => {
    for (const protocol of ["webtransport", "webtransport-h3"]) {
      await checkEcho(await server.connectSession(change(CONNECT, ":protocol", protocol)));
    }
  }));

Deno.test("a CONNECT of another protocol is answered with 501", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const stream = await client.request(change(CONNECT, ":protocol", "connect-udp"));
    assert.equal((await stream.readResponse()).status, 501);
  }));

Deno.test("a CONNECT that comes before SETTINGS waits for them", () =>
  withServer(async (server) => {
    const client = await server.connect();
    const stream = await client.request(CONNECT);
    const other = await server.connectSession();
    await checkEcho(other);
    assert.equal(server.sessions.length, 1);
    await client.openControl(CLIENT_SETTINGS);
    assert.equal((await stream.readResponse()).status, 200);
  }));

Deno.test("the app sees the CONNECT before the answer, and a subprotocol is agreed", () =>
  withServer(async (server) => {
    const client = await connected(server);
    const stream = await client.request([
      ...CONNECT,
      ["wt-available-protocols", '"a", "slipstream.v1.binary"'],
    ]);
    const { status, fields } = await stream.readResponse();
    assert.equal(status, 200);
    assert.equal(fields.get("wt-protocol"), '"slipstream.v1.binary"');
  }, {
    onWebTransport: async (request) => {
      assert.equal(request.origin, "https://localhost");
      assert.equal(request.path, "/echo");
      assert.equal(request.authority, "localhost");
      assert.equal(request.remoteAddr.hostname, "127.0.0.1");
      await request.accept({ protocol: request.protocols[1]! });
    },
  }));

const policy = new OriginPolicy();
const ORIGINS: Record<string, Field[]> = {
  "missing origin": change(CONNECT, "origin"),
  "null origin": change(CONNECT, "origin", "null"),
  "foreign origin": change(CONNECT, "origin", "https://evil.example"),
};
for (const [what, fields] of Object.entries(ORIGINS)) {
  Deno.test(`a ${what} is rejected with 403 before anything exists`, () =>
    withServer(async (server) => {
      const client = await connected(server);
      const stream = await client.request(fields);
      assert.equal((await stream.readResponse()).status, 403);
      assert.equal(await stream.read(), undefined);
      assert.equal(server.server.sessions.size, 0);
      await checkEcho(await server.connectSession());
    }, {
      onWebTransport: async (request) => {
        const target = { scheme: "https", authority: request.authority };
        if (policy.decide(request.origin, target).allowed) echo(await request.accept());
        else request.reject(403);
      },
    }));
}

Deno.test("an app that throws answers 500, one that never answers 503", async () => {
  const errors: unknown[] = [];
  await withServer(async (server) => {
    const client = await connected(server);
    const throwing = await client.request(change(CONNECT, ":path", "/throw"));
    assert.equal((await throwing.readResponse()).status, 500);
    assert.match(String(errors[0]), /broken/);
    const silent = await (await connected(server)).request(HELD);
    assert.equal((await silent.readResponse()).status, 503);
  }, {
    answerTimeoutMs: 50,
    onError: (error) => errors.push(error),
    onWebTransport: (request) => {
      if (request.path === "/throw") throw new Error("broken");
    },
  });
});

Deno.test("a second session on the same QUIC connection is answered with 429, the first goes on", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    const second = await session.client.request(CONNECT);
    assert.equal((await second.readResponse()).status, 429);
    assert.equal(await second.read(), undefined);
    await checkEcho(session);
  }));

Deno.test("a Session ID that is no client's bidirectional stream closes QUIC with 0x108", () =>
  besideHonest(async (server) => {
    for (const id of [1, 2, 3]) {
      const one = await server.connectSession();
      await one.client.openUnidirectional(concat(unidirectionalHeader(id), HELLO)).catch(() => {});
      assert.equal((await one.client.end()).closeCode, ErrorCode.ID_ERROR);
      const other = await server.connectSession();
      await other.client.openBidirectional(concat(bidirectionalHeader(id), HELLO)).catch(() => {});
      assert.equal((await other.client.end()).closeCode, ErrorCode.ID_ERROR);
    }
  }));

Deno.test("streams and datagrams before the 200 are kept within bounds, and delivered", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const stream = await client.request(HELD);
    await until(() => server.held.length === 1, "the CONNECT");
    const kept = await client.openBidirectional(concat(bidirectionalHeader(stream.id), HELLO));
    await kept.end();
    const uni = await client.openUnidirectional(concat(unidirectionalHeader(stream.id), HELLO));
    await uni.end();
    for (let count = 0; count < 4; count++) await client.sendDatagram(stream.id, hex("aa"));
    // The third stream is over the limit; after its STOP_SENDING the others have arrived too.
    const over = await client.openUnidirectional(unidirectionalHeader(stream.id));
    assert.equal(await over.stopped(), 0);
    const session = await server.held[0]!.accept();
    assert.equal((await stream.readResponse()).status, 200);
    const incoming = session.incomingBidirectionalStreams.getReader();
    const { readable } = (await incoming.read()).value!;
    assert.deepEqual(await new Response(readable).bytes(), HELLO);
    const unidirectional = (await session.incomingUnidirectionalStreams.getReader().read()).value!;
    assert.deepEqual(await new Response(unidirectional).bytes(), HELLO);
    const datagrams = session.datagrams.readable.getReader();
    assert.deepEqual((await datagrams.read()).value, hex("aa"));
    assert.deepEqual((await datagrams.read()).value, hex("aa"));
    // Two of the four were over the limit: the next one is new.
    const next = datagrams.read();
    await client.sendDatagram(stream.id, hex("bb"));
    assert.deepEqual((await next).value, hex("bb"));
  }, { maxEarlyStreams: 2, maxEarlyDatagrams: 2 }));

Deno.test("capsules before the 200 are held: a session that is closed already is closed at once", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    await client.request(HELD, data(encodeCapsule(0x17, HELLO)), close("00000007 627965"));
    await until(() => server.held.length === 1, "the CONNECT");
    const session = await server.held[0]!.accept();
    assert.deepEqual(await session.closed, { closeCode: 7, reason: "bye" });
  }));

Deno.test("a stream for an unknown session is kept for a while, then told to stop", () =>
  besideHonest(async (server) => {
    const { client } = await server.connectSession();
    const uni = await client.openUnidirectional(concat(unidirectionalHeader(40), HELLO));
    const bidi = await client.openBidirectional(concat(bidirectionalHeader(40), HELLO));
    assert.equal(await uni.stopped(), 0);
    assert.equal(await bidi.stopped(), 0);
    assert.equal(await bidi.read(), undefined);
  }, { earlyTimeoutMs: 50 }));

Deno.test("streams for unknown sessions over the limit are told to stop, then close QUIC", () =>
  besideHonest(async (server) => {
    const { client } = await server.connectSession();
    const open = () => client.openUnidirectional(concat(unidirectionalHeader(40), HELLO));
    for (let count = 0; count < 2; count++) await open();
    assert.equal(await (await open()).stopped(), 0);
    await open();
    const end = await client.end();
    assert.equal(end.closeCode, WebTransportErrorCode.BUFFERED_STREAM_REJECTED);
  }, { maxEarlyStreams: 2, maxStreamErrorsPerMinute: 1 }));

Deno.test("datagrams for an unknown session are dropped", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    for (let count = 0; count < 100; count++) await session.client.sendDatagram(400, HELLO);
    await checkEcho(session);
  }));

Deno.test("a stream for a session that was rejected is told to stop, then closes QUIC", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const stream = await client.request(HELD);
    await until(() => server.held.length === 1, "the CONNECT");
    server.held[0]!.reject(404);
    assert.equal((await stream.readResponse()).status, 404);
    const uni = await client.openUnidirectional(concat(unidirectionalHeader(stream.id), HELLO));
    assert.equal(await uni.stopped(), 0);
    await client.openBidirectional(concat(bidirectionalHeader(stream.id), HELLO));
    assert.equal((await client.end()).closeCode, WebTransportErrorCode.SESSION_GONE);
  }, { maxStreamErrorsPerMinute: 1, closeTimeoutMs: 5000 }));

Deno.test("a stream for a session that is closed is told to stop", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    await session.stream.write(close("00000000"));
    assert.equal(await session.stream.readFrame(), undefined);
    const { client, id } = session;
    const bidi = await client.openBidirectional(concat(bidirectionalHeader(id), HELLO));
    assert.equal(await bidi.stopped(), 0);
    assert.equal(await bidi.read(), undefined);
    const uni = await client.openUnidirectional(concat(unidirectionalHeader(id), HELLO));
    assert.equal(await uni.stopped(), 0);
  }, { closeTimeoutMs: 5000 }));

const BAD_CAPSULES: Record<string, (session: RawSession) => Promise<void>> = {
  "a CLOSE shorter than its code": ({ stream }) => stream.write(close("000000")),
  "a CLOSE with 1029 bytes": ({ stream }) => stream.write(close("00".repeat(1029))),
  "a CLOSE whose reason is no UTF-8": ({ stream }) => stream.write(close("00000000 ff")),
  "a capsule after CLOSE": ({ stream }) =>
    stream.write(concat(close("00000000"), data(encodeCapsule(DRAIN, hex(""))))),
  "content after CLOSE": async ({ stream }) => {
    await stream.write(close("00000000"));
    await stream.write(data(hex("17")));
  },
  "FIN within a capsule": async ({ stream }) => {
    await stream.write(data(encodeCapsule(CLOSE, hex("00000000")).subarray(0, -1)));
    await stream.end();
  },
  "FIN within an unknown capsule": async ({ stream }) => {
    await stream.write(data(encodeCapsule(0x17, HELLO).subarray(0, -1)));
    await stream.end();
  },
};
for (const [what, attack] of Object.entries(BAD_CAPSULES)) {
  Deno.test(`${what} is malformed: QUIC is closed with 0x10e`, () =>
    besideHonest(async (server) => {
      const session = await server.connectSession();
      const { closed } = server.sessions.at(-1)!;
      await attack(session).catch(() => {});
      const end = await session.client.end();
      assert.equal(end.closeCode, ErrorCode.MESSAGE_ERROR, end.reason);
      // After a CLOSE the session has ended well, whatever follows.
      if (what.includes("after CLOSE")) await closed;
      else await assert.rejects(closed, WebTransportError);
    }, { closeTimeoutMs: 5000 }));
}

Deno.test("HEADERS on the CONNECT stream of a session close QUIC with 0x105", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    await session.stream.write(encodeFrame(FrameType.HEADERS, encodeFieldSection([["x", "y"]])));
    assert.equal((await session.client.end()).closeCode, ErrorCode.FRAME_UNEXPECTED);
  }));

Deno.test("unknown capsules and flow control without agreement are skipped", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    for (const type of [0x1f * 9 + 0x17, 0x00, 0x190b4d3d, 0x190b4d3f, 0x190b4d43]) {
      await session.stream.write(data(encodeCapsule(type, HELLO)));
    }
    await session.stream.write(data(encodeFrameHeader(0x17, 20_000)));
    await session.stream.write(data(new Uint8Array(20_000)));
    await checkEcho(session);
    // What follows is read: the parser is in step.
    await session.stream.write(data(encodeCapsule(DRAIN, hex(""))));
    await server.sessions.at(-1)!.draining;
  }));

Deno.test("a flood of capsules closes QUIC with 0x107", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    const flood = data(...new Array(100).fill(encodeCapsule(0x17, hex(""))));
    for (let count = 0; count < 10; count++) await session.stream.write(flood).catch(() => {});
    assert.equal((await session.client.end()).closeCode, ErrorCode.EXCESSIVE_LOAD);
  }, { maxOverheadBytesPerMinute: 1000 }));

Deno.test("the client's close code and reason reach the app, and QUIC is closed after its FIN", () =>
  besideHonest(async (server) => {
    for (const [code, closeCode] of [["00000000", 0], ["ffffffff", 0xffff_ffff]] as const) {
      const session = await server.connectSession();
      await session.stream.write(concat(close(`${code} c3a9`)));
      const { closed } = server.sessions.at(-1)!;
      assert.deepEqual(await closed, { closeCode, reason: "é" });
      assert.equal(await session.stream.readFrame(), undefined);
      await session.stream.end();
      assert.equal((await session.client.end()).closeCode, ErrorCode.NO_ERROR);
    }
  }));

Deno.test("a FIN without a capsule closes the session with code 0", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    await session.stream.end();
    assert.deepEqual(await server.sessions.at(-1)!.closed, { closeCode: 0, reason: "" });
    assert.equal((await session.client.end()).closeCode, ErrorCode.NO_ERROR);
  }));

Deno.test("the server's close code and reason come as a capsule and FIN, then QUIC is closed", () =>
  besideHonest(async (server) => {
    for (const answers of [true, false]) {
      const session = await server.connectSession();
      server.sessions.at(-1)!.close({ closeCode: 4000, reason: "bye" });
      const capsule = encodeCapsule(CLOSE, hex("00000fa0 627965"));
      assert.deepEqual(await session.stream.readBody(), capsule);
      // A client that does not answer is closed by a timer.
      if (answers) await session.stream.end();
      assert.equal((await session.client.end()).closeCode, ErrorCode.NO_ERROR);
    }
  }));

Deno.test("drain goes both ways", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    server.sessions.at(-1)!.drain();
    const frame = await session.stream.readFrame();
    assert.deepEqual(frame, { type: "data", chunk: encodeCapsule(DRAIN, hex("")) });
    await session.stream.write(data(encodeCapsule(DRAIN, hex(""))));
    await server.sessions.at(-1)!.draining;
    await checkEcho(session);
  }));

Deno.test("empty, largest and oversized datagrams: the session goes on", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    const { client, id } = session;
    const { datagrams } = server.sessions.at(-1)!;
    const received: number[] = [];
    datagrams.onDatagram = (payload) => void received.push(payload.length);
    await client.sendDatagram(id, hex(""));
    await until(() => received.length === 1, "the empty datagram");
    const largest = client.conn.maxDatagramSize - 1;
    await client.sendDatagram(id, new Uint8Array(largest));
    await until(() => received.length === 2, "the largest datagram");
    assert.deepEqual(received, [0, largest]);
    // Above every path MTU that QUIC tries, since the largest size may have grown meanwhile.
    await assert.rejects(client.sendDatagram(id, new Uint8Array(2000)));
    assert.equal(datagrams.send(new Uint8Array(65_536)), false);
    assert.equal(datagrams.send(new Uint8Array(0)), true);
    assert.deepEqual(await client.readDatagram(), hex(""));
    datagrams.onDatagram = (payload) => datagrams.send(payload);
    await checkEcho(session);
  }));

Deno.test("a flood of datagrams that the app does not read drops the oldest", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    const { datagrams } = server.sessions.at(-1)!;
    datagrams.onDatagram = undefined;
    const { client, id } = session;
    for (let count = 0; count < 20; count++) {
      await client.sendDatagram(id, Uint8Array.of(count));
      // One at a time: loopback may lose some of a burst.
      await until(() => datagrams.droppedIncoming === Math.max(0, count - 3), `datagram ${count}`);
    }
    const reader = datagrams.readable.getReader();
    for (let count = 16; count < 20; count++) {
      assert.deepEqual((await reader.read()).value, Uint8Array.of(count));
    }
  }, { maxIncomingDatagrams: 4 }));

Deno.test("a flood of datagrams to a session closes QUIC with 0x107", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    for (let count = 0; count < 2000; count++) {
      await session.client.sendDatagram(session.id, HELLO).catch(() => {});
    }
    assert.equal((await session.client.end()).closeCode, ErrorCode.EXCESSIVE_LOAD);
  }, { maxDatagramsPerSecond: 200 }));

Deno.test("a client that does not read its datagrams holds a bounded number of them", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    const { datagrams } = server.sessions.at(-1)!;
    // All in one turn of the event loop: QUIC takes none before it is over.
    let sent = 0;
    while (sent < 1000 && datagrams.send(HELLO)) sent++;
    assert.equal(sent, 8);
    for (let count = 0; count < 8; count++) {
      assert.deepEqual(await session.client.readDatagram(), HELLO);
    }
    await checkEcho(session);
  }, { maxOutstandingDatagrams: 8 }));

Deno.test("a client that vanishes ends its session, and only that", async () => {
  await besideHonest(async (server) => {
    const proxy = new UdpProxy(server.addr);
    try {
      const client = await RawQuicClient.connect({ addr: proxy.addr, cert: server.cert });
      await client.openControl(CLIENT_SETTINGS);
      const stream = await client.request(CONNECT);
      assert.equal((await stream.readResponse()).status, 200);
      const { closed } = server.sessions.at(-1)!;
      proxy.cut();
      await assert.rejects(closed, WebTransportError);
      assert.equal(server.server.connectionCount, 1);
      await client.close();
    } finally {
      await proxy.close();
    }
  }, { peerTimeoutMs: 400, keepAliveIntervalMs: 100 });
});

Deno.test("a client whose session the server has closed cannot hold QUIC open", () =>
  besideHonest(async (server) => {
    const session = await server.connectSession();
    const bidi = await session.client.openBidirectional(
      concat(bidirectionalHeader(session.id), HELLO),
    );
    server.sessions.at(-1)!.close();
    assert.equal((await session.client.end()).closeCode, ErrorCode.NO_ERROR);
    await assert.rejects(bidi.write(HELLO));
  }));

Deno.test("a session whose QUIC the client closes without an error is closed, with one is not", () =>
  besideHonest(async (server) => {
    const clean = await server.connectSession();
    const cleanly = server.sessions.at(-1)!.closed;
    await clean.client.close(ErrorCode.NO_ERROR);
    assert.deepEqual(await cleanly, { closeCode: 0, reason: "" });
    const failing = await server.connectSession();
    const failed = server.sessions.at(-1)!.closed;
    await failing.client.close(ErrorCode.INTERNAL_ERROR);
    await assert.rejects(failed, WebTransportError);
  }));

Deno.test("server.close() gives every session the code and reason, and refuses new clients", () =>
  withServer(async (server) => {
    const sessions = [await server.connectSession(), await server.connectSession()];
    const closing = server.server.close({ closeCode: 3000, reason: "restart" });
    await assert.rejects(server.connect());
    for (const { stream, client } of sessions) {
      assert.deepEqual(
        await stream.readBody(),
        encodeCapsule(CLOSE, concat(hex("00000bb8"), new TextEncoder().encode("restart"))),
      );
      await stream.end();
      assert.equal((await client.end()).closeCode, ErrorCode.NO_ERROR);
    }
    await closing;
    assert.equal(server.server.connectionCount, 0);
  }, { closeTimeoutMs: 5000 }));

Deno.test("plain requests, and a session, share a QUIC connection", () =>
  withServer(async (server) => {
    const session = await server.connectSession();
    const stream = await session.client.request([
      [":method", "GET"],
      [":scheme", "https"],
      [":authority", "localhost"],
      [":path", "/"],
    ]);
    await stream.end();
    assert.equal((await stream.readResponse()).status, 200);
    await checkEcho(session);
  }));
