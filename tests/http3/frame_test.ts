import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import {
  encodeFrame,
  encodeFrameHeader,
  type FrameEvent,
  FrameParser,
  FrameType,
} from "../../src/http3/frame.ts";
import { encodeSettings, SettingId } from "../../src/http3/settings.ts";
import { chunked, concat, hex } from "../bytes.ts";

const SETTINGS = encodeFrame(FrameType.SETTINGS, encodeSettings([[SettingId.H3_DATAGRAM, 1]]));
const HEADERS = encodeFrame(FrameType.HEADERS, hex("0000 d1"));
const DATA = encodeFrame(FrameType.DATA, hex("aabbcc"));
const GREASE = encodeFrame(0x1f * 5 + 0x21, hex("010203040506"));

function parser(kind: "control" | "request", maxFieldSectionBytes = 64): FrameParser {
  return new FrameParser({ kind, maxFieldSectionBytes });
}

/** Every event of `chunks`, with the pieces of neighbouring DATA joined. */
function events(kind: "control" | "request", ...chunks: readonly Uint8Array[]): FrameEvent[] {
  const frames = parser(kind);
  const found: FrameEvent[] = [];
  for (const chunk of chunks) {
    frames.push(chunk);
    for (let event = frames.next(); event !== undefined; event = frames.next()) {
      const last = found.at(-1);
      if (event.type === "data" && last?.type === "data") {
        found[found.length - 1] = { type: "data", chunk: concat(last.chunk, event.chunk) };
      } else {
        found.push(event);
      }
    }
  }
  return found;
}

function rejects(
  kind: "control" | "request",
  bytes: Uint8Array,
  code: number,
  message?: RegExp,
): void {
  // Whole, and byte by byte: the verdict must not depend on the chunks.
  for (const chunks of [[bytes], chunked(bytes, new Array(bytes.length).fill(1))]) {
    assert.throws(
      () => events(kind, ...chunks),
      (error) =>
        error instanceof Http3Error && error.scope === "connection" && error.code === code &&
        (message === undefined || message.test(error.message)),
    );
  }
}

Deno.test("a request stream's frames come in order, unknown ones left out", () => {
  assert.deepEqual(
    events("request", concat(GREASE, HEADERS, DATA, GREASE, DATA, HEADERS, GREASE)),
    [
      { type: "headers", payload: hex("0000 d1") },
      { type: "data", chunk: hex("aabbcc aabbcc") },
      { type: "headers", payload: hex("0000 d1") },
    ],
  );
});

Deno.test("a control stream's frames come in order, unknown ones left out", () => {
  const bytes = concat(
    SETTINGS,
    GREASE,
    encodeFrame(FrameType.MAX_PUSH_ID, hex("08")),
    encodeFrame(FrameType.MAX_PUSH_ID, hex("4009")),
    encodeFrame(FrameType.GOAWAY, hex("05")),
    encodeFrame(FrameType.GOAWAY, hex("05")),
    // PRIORITY_UPDATE (RFC 9218 §7.2), which Chromium sends
    encodeFrame(0xf0700, hex("00")),
  );
  assert.deepEqual(events("control", bytes), [
    { type: "settings", settings: new Map([[SettingId.H3_DATAGRAM, 1]]) },
    { type: "max-push-id", id: 8 },
    { type: "max-push-id", id: 9 },
    { type: "goaway", id: 5 },
    { type: "goaway", id: 5 },
  ]);
});

Deno.test("the events do not depend on how the stream is cut into chunks", () => {
  const request = concat(GREASE, HEADERS, DATA, encodeFrame(0, hex("")), GREASE, DATA, HEADERS);
  const control = concat(SETTINGS, GREASE, encodeFrame(FrameType.GOAWAY, hex("c000000000000005")));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 })), (lengths) => {
      assert.deepEqual(events("request", ...chunked(request, lengths)), events("request", request));
      assert.deepEqual(events("control", ...chunked(control, lengths)), events("control", control));
    }),
    { seed: 6 },
  );
});

Deno.test("a torn frame survives the reuse of the chunk's buffer", () => {
  const frames = parser("request");
  const buffer = new Uint8Array(2);
  const found: FrameEvent[] = [];
  for (let at = 0; at < HEADERS.length; at += 2) {
    const part = HEADERS.subarray(at, at + 2);
    buffer.set(part);
    frames.push(buffer.subarray(0, part.length));
    for (let event = frames.next(); event; event = frames.next()) found.push(event);
  }
  assert.deepEqual(found, [{ type: "headers", payload: hex("0000 d1") }]);
});

Deno.test("DATA comes as it arrives, as views of the chunks", () => {
  const frames = parser("request");
  frames.push(HEADERS);
  frames.next();
  const chunk = concat(encodeFrameHeader(FrameType.DATA, 1_000_000), hex("aabb"));
  frames.push(chunk);
  const event = frames.next();
  assert.deepEqual(event, { type: "data", chunk: hex("aabb") });
  assert(event?.type === "data" && event.chunk.buffer === chunk.buffer);
  assert.equal(frames.next(), undefined);
});

Deno.test("encodeFrameHeader() and encodeFrame() write type, length and payload", () => {
  assert.deepEqual(encodeFrameHeader(FrameType.DATA, 0x40), hex("00 4040"));
  assert.deepEqual(encodeFrame(FrameType.WEBTRANSPORT_STREAM, hex("ff")), hex("4041 01 ff"));
});

Deno.test("a field section over the limit is announced and skipped", () => {
  const long = encodeFrame(FrameType.HEADERS, new Uint8Array(65));
  assert.deepEqual(events("request", long, DATA), [
    { type: "headers-too-large", length: 65 },
    { type: "data", chunk: hex("aabbcc") },
  ]);
  assert.equal(
    events("request", encodeFrame(FrameType.HEADERS, new Uint8Array(64)))[0]!.type,
    "headers",
  );
});

Deno.test("unknown frames of any length are skipped and counted, never buffered", () => {
  const frames = parser("request");
  frames.push(encodeFrameHeader(0x21, Number.MAX_SAFE_INTEGER));
  assert.equal(frames.next(), undefined);
  for (let count = 0; count < 100; count++) {
    frames.push(new Uint8Array(1000));
    assert.equal(frames.next(), undefined);
    assert.equal(frames.rest().length, 0);
  }
  assert.equal(frames.skippedBytes, 9 + 100_000);
});

Deno.test("skippedBytes counts empty frames and control frames after SETTINGS too", () => {
  const request = parser("request");
  request.push(concat(HEADERS, encodeFrame(0x21, hex("")), encodeFrame(FrameType.DATA, hex(""))));
  while (request.next());
  assert.equal(request.skippedBytes, 4);
  const control = parser("control");
  control.push(concat(SETTINGS, encodeFrame(FrameType.GOAWAY, hex("00"))));
  while (control.next());
  assert.equal(control.skippedBytes, 3);
});

Deno.test("0x41 hands the rest of a request stream over", () => {
  const frames = parser("request");
  frames.push(hex("4041"));
  assert.equal(frames.next(), undefined);
  frames.push(hex("4104 0001"));
  assert.deepEqual(frames.next(), { type: "webtransport-stream", sessionId: 0x104 });
  assert.equal(frames.next(), undefined);
  assert.deepEqual(frames.rest(), hex("0001"));
});

Deno.test("0x41 with a Session ID that is no client's bidirectional stream is an ID_ERROR", () => {
  for (const id of ["01", "02", "03", "4005"]) {
    rejects("request", hex(`4041 ${id}`), ErrorCode.ID_ERROR, /Session ID/);
  }
});

Deno.test("0x41 elsewhere than first on a request stream is a FRAME_ERROR", () => {
  rejects("request", concat(HEADERS, hex("4041 04")), ErrorCode.FRAME_ERROR);
  rejects("request", concat(GREASE, hex("4041 04")), ErrorCode.FRAME_ERROR);
  rejects("request", concat(hex("21 00"), hex("4041 04")), ErrorCode.FRAME_ERROR);
  rejects("control", concat(SETTINGS, hex("4041 04")), ErrorCode.FRAME_ERROR);
});

Deno.test("a control stream that does not begin with SETTINGS lacks them", () => {
  for (
    const first of [GREASE, DATA, HEADERS, encodeFrame(FrameType.GOAWAY, hex("00")), hex("0200")]
  ) {
    rejects("control", first, ErrorCode.MISSING_SETTINGS, /must begin with SETTINGS/);
  }
});

Deno.test("a second SETTINGS, and frames of other streams, are unexpected on a control stream", () => {
  for (
    const second of [SETTINGS, DATA, HEADERS, encodeFrame(FrameType.PUSH_PROMISE, hex("0000"))]
  ) {
    rejects("control", concat(SETTINGS, second), ErrorCode.FRAME_UNEXPECTED);
  }
});

Deno.test("DATA before HEADERS, DATA and HEADERS after the trailers are unexpected", () => {
  rejects("request", DATA, ErrorCode.FRAME_UNEXPECTED);
  rejects("request", concat(GREASE, DATA), ErrorCode.FRAME_UNEXPECTED);
  rejects("request", concat(HEADERS, DATA, HEADERS, DATA), ErrorCode.FRAME_UNEXPECTED);
  rejects("request", concat(HEADERS, DATA, HEADERS, HEADERS), ErrorCode.FRAME_UNEXPECTED);
});

Deno.test("PUSH_PROMISE and control frames are unexpected on a request stream", () => {
  const types = [
    FrameType.CANCEL_PUSH,
    FrameType.SETTINGS,
    FrameType.PUSH_PROMISE,
    FrameType.GOAWAY,
    FrameType.MAX_PUSH_ID,
  ];
  for (const type of types) {
    rejects("request", encodeFrame(type, hex("00")), ErrorCode.FRAME_UNEXPECTED);
    rejects("request", concat(HEADERS, encodeFrame(type, hex("00"))), ErrorCode.FRAME_UNEXPECTED);
  }
});

Deno.test("the frame types of HTTP/2 are unexpected on every stream", () => {
  for (const type of [0x02, 0x06, 0x08, 0x09]) {
    rejects("request", concat(HEADERS, encodeFrame(type, hex(""))), ErrorCode.FRAME_UNEXPECTED);
    rejects("control", concat(SETTINGS, encodeFrame(type, hex(""))), ErrorCode.FRAME_UNEXPECTED);
  }
});

Deno.test("a GOAWAY above the last, a MAX_PUSH_ID below it and any CANCEL_PUSH are ID_ERRORs", () => {
  const after = (type: number, ...ids: string[]) =>
    concat(SETTINGS, ...ids.map((id) => encodeFrame(type, hex(id))));
  rejects("control", after(FrameType.GOAWAY, "04", "05"), ErrorCode.ID_ERROR, /GOAWAY.*: 5$/);
  rejects("control", after(FrameType.MAX_PUSH_ID, "04", "03"), ErrorCode.ID_ERROR, /: 3$/);
  rejects("control", after(FrameType.CANCEL_PUSH, "00"), ErrorCode.ID_ERROR);
});

Deno.test("a frame of one varint that is empty, longer or shorter than it is a FRAME_ERROR", () => {
  for (const type of [FrameType.GOAWAY, FrameType.MAX_PUSH_ID, FrameType.CANCEL_PUSH]) {
    for (const payload of ["", "0000", "40", "c00000000000000000"]) {
      rejects(
        "control",
        concat(SETTINGS, encodeFrame(type, hex(payload))),
        ErrorCode.FRAME_ERROR,
        /exactly one varint/,
      );
    }
  }
});

Deno.test("SETTINGS that end within a setting are a FRAME_ERROR, overlong ones an excessive load", () => {
  rejects("control", encodeFrame(FrameType.SETTINGS, hex("01")), ErrorCode.FRAME_ERROR);
  rejects("control", encodeFrameHeader(FrameType.SETTINGS, 4097), ErrorCode.EXCESSIVE_LOAD);
  assert.deepEqual(events("control", encodeFrame(FrameType.SETTINGS, hex(""))), [
    { type: "settings", settings: new Map() },
  ]);
});

Deno.test("end() accepts a FIN between frames after HEADERS", () => {
  const frames = parser("request");
  frames.push(concat(HEADERS, DATA, GREASE));
  while (frames.next());
  frames.end();
});

Deno.test("end() finds a request incomplete before HEADERS and within a frame", () => {
  const cuts = [
    hex(""),
    GREASE,
    HEADERS.subarray(0, 1),
    HEADERS.subarray(0, -1),
    concat(HEADERS, DATA.subarray(0, 1)),
    concat(HEADERS, DATA.subarray(0, -1)),
    concat(HEADERS, hex("40")),
    concat(HEADERS, GREASE.subarray(0, -1)),
  ];
  for (const cut of cuts) {
    const frames = parser("request");
    frames.push(cut);
    while (frames.next());
    assert.throws(
      () => frames.end(),
      (error) =>
        error instanceof Http3Error && error.scope === "stream" &&
        error.code === ErrorCode.REQUEST_INCOMPLETE,
    );
  }
});

Deno.test("end() of a control stream is always an error", () => {
  const frames = parser("control");
  frames.push(SETTINGS);
  frames.next();
  assert.throws(
    () => frames.end(),
    (error) =>
      error instanceof Http3Error && error.scope === "connection" &&
      error.code === ErrorCode.CLOSED_CRITICAL_STREAM,
  );
});
