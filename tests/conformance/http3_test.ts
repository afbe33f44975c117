import assert from "node:assert/strict";
import { ErrorCode } from "../../src/http3/error.ts";
import { encodeFrame, encodeFrameHeader, FrameType } from "../../src/http3/frame.ts";
import { encodeFieldSection, type Field } from "../../src/http3/qpack.ts";
import { decodeSettings, encodeSettings, SettingId } from "../../src/http3/settings.ts";
import { concat, hex } from "../bytes.ts";
import { until } from "../until.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "./raw_quic_client.ts";
import { besideHonest, CONNECT, data, GET, type TestServer, withServer } from "./server.ts";
import { UdpProxy } from "./udp_proxy.ts";

const HEADERS = encodeFrame(FrameType.HEADERS, encodeFieldSection(GET));
const GREASE = encodeFrame(0x1f * 5 + 0x21, hex("0011223344"));

/** What one client sends, after which the server must close its QUIC with one code. */
type Attack = (client: RawQuicClient) => Promise<unknown>;

/** A control stream with SETTINGS and then `frames`. */
const control = (...frames: Uint8Array[]): Attack => (client) =>
  client.openControl(CLIENT_SETTINGS, ...frames);

/** A control stream with `payload` as its SETTINGS. */
const settings = (payload: Uint8Array): Attack => (client) =>
  client.openControl(encodeFrame(FrameType.SETTINGS, payload));

/** A request stream with `bytes`, beside a good control stream. */
const request = (...bytes: Uint8Array[]): Attack => async (client) => {
  await client.openControl(CLIENT_SETTINGS);
  await client.openBidirectional(concat(...bytes));
};

/** Unidirectional streams, beside a good control stream. */
const streams = (...all: Uint8Array[]): Attack => async (client) => {
  await client.openControl(CLIENT_SETTINGS);
  for (const bytes of all) await client.openUnidirectional(bytes);
};

/** A unidirectional stream with `bytes` that ends. */
const ended = (bytes: Uint8Array): Attack => async (client) => {
  if (bytes[0] !== 0) await client.openControl(CLIENT_SETTINGS);
  await (await client.openUnidirectional(bytes)).end();
};

/** A request whose field section is `section`. */
const section = (section: string): Attack => request(encodeFrame(FrameType.HEADERS, hex(section)));

const frame = (type: number, payload = "") => encodeFrame(type, hex(payload));

const ATTACKS: readonly [code: number, attacks: Record<string, Attack>][] = [
  [ErrorCode.MISSING_SETTINGS, {
    "DATA before SETTINGS": (client) => client.openControl(data(hex("00"))),
    "GOAWAY before SETTINGS": (client) => client.openControl(frame(FrameType.GOAWAY, "00")),
    "GREASE before SETTINGS": (client) => client.openControl(GREASE),
  }],
  [ErrorCode.FRAME_UNEXPECTED, {
    "a second SETTINGS": control(CLIENT_SETTINGS),
    "DATA on the control stream": control(data(hex("00"))),
    "HEADERS on the control stream": control(HEADERS),
    "PUSH_PROMISE on the control stream": control(frame(FrameType.PUSH_PROMISE, "00")),
    "DATA before HEADERS": request(data(hex("00"))),
    "PUSH_PROMISE from a client": request(frame(FrameType.PUSH_PROMISE, "00")),
    "SETTINGS on a request stream": request(CLIENT_SETTINGS),
    "GOAWAY on a request stream": request(HEADERS, frame(FrameType.GOAWAY, "00")),
    "MAX_PUSH_ID on a request stream": request(frame(FrameType.MAX_PUSH_ID, "00")),
    "CANCEL_PUSH on a request stream": request(HEADERS, frame(FrameType.CANCEL_PUSH, "00")),
    "HTTP/2's PRIORITY on a request stream": request(frame(0x02)),
    "HTTP/2's PING on a request stream": request(HEADERS, frame(0x06)),
    "HTTP/2's WINDOW_UPDATE on the control stream": control(frame(0x08)),
    "HTTP/2's CONTINUATION on the control stream": control(frame(0x09)),
  }],
  [ErrorCode.SETTINGS_ERROR, {
    "a repeated setting": settings(hex("0100 0100")),
    "HTTP/2's ENABLE_PUSH": settings(hex("0200")),
    "HTTP/2's MAX_CONCURRENT_STREAMS": settings(hex("0300")),
    "HTTP/2's INITIAL_WINDOW_SIZE": settings(hex("0400")),
    "HTTP/2's MAX_FRAME_SIZE": settings(hex("0500")),
    "H3_DATAGRAM 2": settings(encodeSettings([[SettingId.H3_DATAGRAM, 2]])),
    "ENABLE_WEBTRANSPORT 2": settings(encodeSettings([[SettingId.ENABLE_WEBTRANSPORT, 2]])),
  }],
  [ErrorCode.STREAM_CREATION_ERROR, {
    "a second control stream": streams(concat(hex("00"), CLIENT_SETTINGS)),
    "a second encoder stream": streams(hex("02"), hex("02")),
    "a second decoder stream": streams(hex("03"), hex("03")),
    "a push stream": streams(hex("01 00")),
  }],
  [ErrorCode.CLOSED_CRITICAL_STREAM, {
    "the control stream ends": ended(concat(hex("00"), CLIENT_SETTINGS)),
    "the encoder stream ends": ended(hex("02")),
    "the decoder stream ends": ended(hex("03")),
  }],
  [ErrorCode.FRAME_ERROR, {
    "an empty GOAWAY": control(frame(FrameType.GOAWAY)),
    "an overlong GOAWAY": control(frame(FrameType.GOAWAY, "0000")),
    "a MAX_PUSH_ID that ends within its varint": control(frame(FrameType.MAX_PUSH_ID, "40")),
    "SETTINGS that end within a setting": settings(hex("0801 33")),
    "0x41 after HEADERS": request(HEADERS, hex("4041 00")),
    "0x41 after GREASE": request(GREASE, hex("4041 00")),
    "0x41 on the control stream": control(hex("4041 00")),
  }],
  [ErrorCode.ID_ERROR, {
    "a GOAWAY above the one before": control(
      frame(FrameType.GOAWAY, "00"),
      frame(FrameType.GOAWAY, "01"),
    ),
    "a MAX_PUSH_ID below the one before": control(
      frame(FrameType.MAX_PUSH_ID, "01"),
      frame(FrameType.MAX_PUSH_ID, "00"),
    ),
    "a CANCEL_PUSH of no push": control(frame(FrameType.CANCEL_PUSH, "00")),
  }],
  [ErrorCode.QPACK_DECOMPRESSION_FAILED, {
    "a Required Insert Count": section("0200 d1"),
    "a negative Base": section("0080 d1"),
    "an index into the dynamic table": section("0000 80"),
    "a name from the dynamic table": section("0000 40 00"),
    "a post-Base index": section("0000 10"),
    "a post-Base name": section("0000 00 00"),
    "static index 99": section("0000 ff24"),
    "a name at static index 99": section("0000 5f54 00"),
    "EOS in a Huffman string": section("0000 51 84 ffffffff"),
    "a Huffman string padded by a 0": section("0000 51 81 06"),
    "a Huffman string padded by 8 bits": section("0000 51 82 07ff"),
    "an integer that overflows": section("0000 51 7f ffffffffffffffffff01"),
    "a truncated string": section("0000 51 05 2f"),
    "an empty field section": section(""),
  }],
  [ErrorCode.QPACK_ENCODER_STREAM_ERROR, {
    "a dynamic table capacity": streams(hex("02 3fbd01")),
    "an insert with a name reference": streams(hex("02 c0 00")),
    "an insert with a literal name": streams(hex("02 20 41 61 01 62")),
    "a duplicate": streams(hex("02 00")),
  }],
  [ErrorCode.QPACK_DECODER_STREAM_ERROR, {
    "an Insert Count Increment of 0": streams(hex("03 00")),
    "an Insert Count Increment": streams(hex("03 01")),
    "an acknowledgement of no section": streams(hex("03 48 80")),
  }],
  [ErrorCode.DATAGRAM_ERROR, {
    "an empty datagram": async (client) => {
      await client.openControl(CLIENT_SETTINGS);
      await client.conn.sendDatagram(hex(""));
    },
    "a datagram that ends within its Quarter Stream ID": async (client) => {
      await client.openControl(CLIENT_SETTINGS);
      await client.conn.sendDatagram(hex("40"));
    },
    "a Quarter Stream ID of 2^60": async (client) => {
      await client.openControl(CLIENT_SETTINGS);
      await client.conn.sendDatagram(hex("d000000000000000 00"));
    },
  }],
];

for (const [code, attacks] of ATTACKS) {
  for (const [what, attack] of Object.entries(attacks)) {
    Deno.test(`${what}: QUIC is closed with 0x${code.toString(16)}`, () =>
      besideHonest(async (server) => {
        const client = await server.connect();
        // The server may close while the rest is still being sent.
        await attack(client).catch(() => {});
        const end = await client.end();
        assert.equal(end.closeCode, code, end.reason);
        assert.notEqual(end.reason, "");
      }));
  }
}

/** A client that has sent its SETTINGS. */
async function connected(server: TestServer): Promise<RawQuicClient> {
  const client = await server.connect();
  await client.openControl(CLIENT_SETTINGS);
  return client;
}

/** Sends a good request and checks its answer: this client is not harmed. */
async function checkRequest(client: RawQuicClient): Promise<void> {
  const stream = await client.request(GET);
  await stream.end();
  assert.equal((await stream.readResponse()).status, 200);
  assert.equal(new TextDecoder().decode(await stream.readBody()), "hello");
}

Deno.test("the server's SETTINGS are what browsers accept, on a control stream that stays open", () =>
  withServer(async (server) => {
    const client = await connected(server);
    const incoming = client.conn.incomingUnidirectionalStreams.getReader();
    const reader = (await incoming.read()).value!.getReader();
    const { value } = await reader.read();
    assert.equal(value![0], 0);
    assert.equal(value![1], FrameType.SETTINGS);
    assert.equal(value![2], value!.length - 3);
    const sent = decodeSettings(value!.subarray(3));
    assert.equal(sent.get(SettingId.QPACK_MAX_TABLE_CAPACITY), 0);
    assert.equal(sent.get(SettingId.QPACK_BLOCKED_STREAMS), 0);
    assert.equal(sent.get(SettingId.ENABLE_CONNECT_PROTOCOL), 1);
    assert.equal(sent.get(SettingId.H3_DATAGRAM), 1);
    assert.equal(sent.get(SettingId.ENABLE_WEBTRANSPORT), 1);
    assert.equal(sent.get(SettingId.WEBTRANSPORT_MAX_SESSIONS_DRAFT07), 1);
    assert.equal(sent.get(SettingId.WT_MAX_SESSIONS_DRAFT13), 1);
    assert.equal(sent.get(SettingId.WT_INITIAL_MAX_DATA), undefined);
    await checkRequest(client);
  }));

Deno.test("unknown settings, frames and stream types are skipped", () =>
  besideHonest(async (server) => {
    const client = await server.connect();
    await client.openControl(
      encodeFrame(FrameType.SETTINGS, encodeSettings([[0x21, 1], [0x1f * 1e9 + 0x21, 2 ** 40]])),
      GREASE,
      frame(0xf0700, "00"),
      frame(FrameType.MAX_PUSH_ID, "08"),
      frame(FrameType.GOAWAY, "00"),
    );
    const stream = await client.openBidirectional(concat(GREASE, HEADERS, GREASE));
    await stream.write(encodeFrameHeader(0x21, 40_000));
    await stream.write(new Uint8Array(40_000));
    await stream.end();
    assert.equal((await stream.readResponse()).status, 200);
  }));

Deno.test("a stream of an unknown type is told to stop, and nothing else happens", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const stream = await client.openUnidirectional(hex("21 00010203"));
    assert.equal(await stream.stopped(), 0);
    await checkRequest(client);
  }));

Deno.test("QPACK streams that carry what they may are fine", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    await client.openUnidirectional(hex("02 20 20"));
    await client.openUnidirectional(hex("03 48 7fff01"));
    await checkRequest(client);
  }));

Deno.test("streams without a byte, ended or not, are tolerated", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    // QUIC opens a stream at the server by the first frame of it, or of a later one.
    await client.openBidirectional(hex(""));
    await client.openUnidirectional(hex(""));
    const ended = await client.openBidirectional(hex(""));
    await ended.end();
    await (await client.openUnidirectional(hex(""))).end();
    assert.equal((await ended.readResponse()).status, 400);
    await checkRequest(client);
  }));

Deno.test("streams that end within their header are tolerated", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    for (const bytes of ["40", "4054", "c000"]) {
      await (await client.openUnidirectional(hex(bytes))).end();
    }
    for (const bytes of ["40", "4041", "01 40"]) {
      const stream = await client.openBidirectional(hex(bytes));
      await stream.end();
      assert.equal((await stream.readResponse()).status, 400);
    }
    await checkRequest(client);
  }));

Deno.test("a field section over the limit is answered with 431, however it says so", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const long: Field = ["x", "y".repeat(3000)];
    const fields: readonly (readonly Field[])[] = [
      // The frame is over the limit.
      [...GET, ["x", "\x00".repeat(3000)]],
      // Its field lines are: Huffman code makes "y" 7 bits, and each line counts 32 bytes more.
      [...GET, long],
      [...GET, ...new Array<Field>(100).fill(["accept", "*/*"])],
    ];
    for (const section of fields) {
      const stream = await client.request(section);
      assert.equal((await stream.readResponse()).status, 431);
      assert.equal(await stream.read(), undefined);
      assert.equal(await stream.stopped(), 0);
    }
    await checkRequest(client);
  }, { maxFieldSectionBytes: 2900 }));

function without(fields: readonly Field[], name: string): Field[] {
  return fields.filter((field) => field[0] !== name);
}

const MALFORMED: Record<string, readonly Field[]> = {
  "no :method": without(GET, ":method"),
  "no :path": without(GET, ":path"),
  "an empty :path": [...without(GET, ":path"), [":path", ""]],
  "a repeated pseudo-header field": [...GET, [":path", "/"]],
  "an unknown pseudo-header field": [...GET, [":status", "200"]],
  "a late pseudo-header field": [["accept", "*/*"], ...GET],
  "an uppercase name": [...GET, ["Accept", "*/*"]],
  "a connection field": [...GET, ["connection", "close"]],
  "te: gzip": [...GET, ["te", "gzip"]],
  "a line break in a value": [...GET, ["x", "a\r\nb"]],
  "CONNECT without :scheme": without(CONNECT, ":scheme"),
  "CONNECT without :path": without(CONNECT, ":path"),
  "CONNECT without :authority": without(CONNECT, ":authority"),
  ":protocol on GET": [...GET, [":protocol", "webtransport"]],
};

for (const [what, fields] of Object.entries(MALFORMED)) {
  Deno.test(`${what}: the request is malformed, its stream ends with 400 and no other`, () =>
    besideHonest(async (server) => {
      const client = await connected(server);
      const stream = await client.request(fields);
      assert.equal((await stream.readResponse()).status, 400);
      assert.equal(await stream.read(), undefined);
      assert.equal(await stream.stopped(), 0);
      await checkRequest(client);
    }));
}

Deno.test("malformed requests that repeat close QUIC with 0x10e", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    for (let count = 0; count < 2; count++) {
      const stream = await client.request(MALFORMED["no :path"]!);
      assert.equal((await stream.readResponse()).status, 400);
    }
    await client.request(MALFORMED["no :path"]!);
    assert.equal((await client.end()).closeCode, ErrorCode.MESSAGE_ERROR);
  }, { maxStreamErrorsPerMinute: 2 }));

Deno.test("a request that ends within a frame is incomplete: 400, and 0x10d if it repeats", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const cut = async () => {
      const stream = await client.openBidirectional(HEADERS.subarray(0, -1));
      await stream.end();
      return stream;
    };
    assert.equal((await (await cut()).readResponse()).status, 400);
    await checkRequest(client);
    await cut();
    assert.equal((await client.end()).closeCode, ErrorCode.REQUEST_INCOMPLETE);
  }, { maxStreamErrorsPerMinute: 1 }));

Deno.test("a request whose body ends within a frame is not taken for a whole one", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const stream = await client.request(
      [[":method", "POST"], ...without(GET, ":method")],
      encodeFrameHeader(FrameType.DATA, 10),
      hex("0001"),
    );
    await stream.end();
    assert.equal((await stream.readResponse()).status, 500);
    await checkRequest(client);
  }, {
    onRequest: async (request) =>
      request.method === "POST" ? new Response(await request.bytes()) : new Response("hello"),
  }));

Deno.test("a client that stops reading a response harms nobody", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    const stream = await client.request(GET);
    assert.equal((await stream.readResponse()).status, 200);
    await stream.cancel();
    await checkRequest(client);
  }));

Deno.test("a client that never reads a response is closed with 0x107", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    await client.request([...without(GET, ":path"), [":path", "/endless"]]);
    assert.equal((await client.end()).closeCode, ErrorCode.EXCESSIVE_LOAD);
  }, {
    stallTimeoutMs: 300,
    onRequest: () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }),
      ),
  }));

Deno.test("SETTINGS that do not come close QUIC with 0x107", () =>
  withServer(async (server) => {
    const client = await server.connect();
    const end = await client.end();
    assert.equal(end.closeCode, ErrorCode.EXCESSIVE_LOAD);
    assert.match(end.reason, /SETTINGS took too long/);
  }, { settingsTimeoutMs: 50 }));

Deno.test("a request head, and a stream's header, that do not go on close QUIC with 0x107", () =>
  besideHonest(async (server) => {
    for (const bytes of ["01 40", "40", "4041"]) {
      const client = await connected(server);
      await client.openBidirectional(hex(bytes));
      assert.equal((await client.end()).closeCode, ErrorCode.EXCESSIVE_LOAD, bytes);
    }
    for (const bytes of ["40", "4054"]) {
      const client = await connected(server);
      await client.openUnidirectional(hex(bytes));
      assert.equal((await client.end()).closeCode, ErrorCode.EXCESSIVE_LOAD, bytes);
    }
  }, { headTimeoutMs: 50 }));

Deno.test("QUIC without a request is closed with 0x100", () =>
  withServer(async (server) => {
    const client = await connected(server);
    assert.equal((await client.end()).closeCode, ErrorCode.NO_ERROR);
  }, { idleTimeoutMs: 50 }));

Deno.test("a handshake that does not go on is given up", () =>
  besideHonest(async (server) => {
    const proxy = new UdpProxy(server.addr);
    // The ClientHello passes, nothing after it.
    proxy.upward = 1;
    proxy.downward = 0;
    const connecting = RawQuicClient.connect({ addr: proxy.addr, cert: server.cert }, {
      maxIdleTimeout: 300,
    });
    await until(() => server.server.connectionCount === 2, "a handshake under way");
    await until(() => server.server.connectionCount === 1, "its end");
    await assert.rejects(connecting);
    await proxy.close();
  }, { handshakeTimeoutMs: 100 }));

const FLOODS: Record<string, Attack> = {
  "GREASE frames on a request stream": async (client) => {
    const stream = await client.openBidirectional(HEADERS);
    for (let count = 0; count < 100; count++) await stream.write(frame(0x21, "00".repeat(50)));
  },
  "one endless GREASE frame": async (client) => {
    const stream = await client.openBidirectional(encodeFrameHeader(0x21, 2 ** 40));
    for (let count = 0; count < 100; count++) await stream.write(new Uint8Array(100));
  },
  "empty DATA frames": async (client) => {
    const stream = await client.openBidirectional(HEADERS);
    for (let count = 0; count < 100; count++) await stream.write(new Uint8Array(100));
  },
  "GREASE frames on the control stream": async (client) => {
    const stream = await client.openUnidirectional(concat(hex("00"), CLIENT_SETTINGS));
    for (let count = 0; count < 100; count++) await stream.write(frame(0x21, "00".repeat(50)));
  },
  "capacities on the encoder stream": async (client) => {
    const stream = await client.openUnidirectional(hex("02"));
    for (let count = 0; count < 100; count++) await stream.write(new Uint8Array(100).fill(0x20));
  },
  "cancellations on the decoder stream": async (client) => {
    const stream = await client.openUnidirectional(hex("03"));
    for (let count = 0; count < 100; count++) await stream.write(new Uint8Array(100).fill(0x48));
  },
  "content that a GET has no use for": async (client) => {
    const stream = await client.openBidirectional(HEADERS);
    for (let count = 0; count < 100; count++) await stream.write(data(new Uint8Array(100)));
  },
  streams: async (client) => {
    for (let count = 0; count < 50; count++) {
      await (await client.openUnidirectional(hex("21"))).end();
    }
  },
  datagrams: async (client) => {
    for (let count = 0; count < 2000; count++) await client.sendDatagram(400, hex("00"));
  },
};

for (const [what, flood] of Object.entries(FLOODS)) {
  Deno.test(`a flood of ${what} closes QUIC with 0x107`, () =>
    besideHonest(async (server) => {
      const client = await server.connect();
      if (!what.endsWith("control stream")) await client.openControl(CLIENT_SETTINGS);
      await flood(client).catch(() => {});
      const end = await client.end();
      assert.equal(end.closeCode, ErrorCode.EXCESSIVE_LOAD, end.reason);
    }, {
      maxOverheadBytesPerMinute: 1000,
      maxStreamsPerSecond: 30,
      maxDatagramsPerSecond: 200,
      maxConcurrentStreams: 100,
      onRequest: () => new Promise(() => {}),
    }));
}

Deno.test("an oversized datagram does not leave the client, and the server goes on", () =>
  besideHonest(async (server) => {
    const client = await connected(server);
    await assert.rejects(client.conn.sendDatagram(new Uint8Array(65_000)));
    await client.sendDatagram(400, new Uint8Array(client.conn.maxDatagramSize - 8));
    await checkRequest(client);
  }));

Deno.test("one address gets no more QUIC connections than its cap", () =>
  besideHonest(async (server) => {
    const second = await connected(server);
    // Before the end of the handshake QUIC hides an application's code (RFC 9000 §10.2.3).
    await assert.rejects(server.connect(), /closed during the handshake/);
    await checkRequest(second);
    await second.close();
    await until(() => server.server.connectionCount === 1, "the end of the second");
    await checkRequest(await connected(server));
  }, { maxConnectionsPerAddress: 2 }));

Deno.test("QUIC connections over the cap in all are refused, and room made is used", () =>
  besideHonest(async (server) => {
    const second = await connected(server);
    await assert.rejects(server.connect());
    await second.close();
    await until(() => server.server.connectionCount === 1, "the end of the second");
    await checkRequest(await connected(server));
  }, { maxConnections: 2 }));

Deno.test("handshakes over the cap are refused before they cost anything, and room made is used", () =>
  besideHonest(async (server) => {
    const flood = [1, 2].map(() => {
      const proxy = new UdpProxy(server.addr);
      proxy.upward = 1;
      proxy.downward = 0;
      const connecting = RawQuicClient.connect({ addr: proxy.addr, cert: server.cert }, {
        maxIdleTimeout: 300,
      });
      return { proxy, lost: assert.rejects(connecting) };
    });
    await until(() => server.server.connectionCount === 3, "two handshakes under way");
    await assert.rejects(server.connect(), /refused/);
    await until(() => server.server.connectionCount === 1, "the handshakes are given up");
    await checkRequest(await connected(server));
    for (const { proxy, lost } of flood) {
      await lost;
      await proxy.close();
    }
  }, { maxPendingHandshakes: 2, handshakeTimeoutMs: 500 }));
