import assert from "node:assert/strict";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import {
  QpackDecoderStreamParser,
  QpackEncoderStreamParser,
} from "../../src/http3/qpack_stream.ts";
import { hex } from "../bytes.ts";

function pushesAll(bytes: string, parser: { push(chunk: Uint8Array): void }): void {
  for (const byte of hex(bytes)) parser.push(Uint8Array.of(byte));
}

Deno.test("the encoder stream may set capacity 0, and nothing else", () => {
  pushesAll("2020", new QpackEncoderStreamParser());
  const bad = {
    "capacity 1": "21",
    "capacity 220 of RFC 9204 B.2": "3fbd01",
    "insert with static name": "c00f7777772e6578616d706c652e636f6d",
    "insert with dynamic name": "80",
    "insert with literal name of RFC 9204 B.3": "4a637573746f6d2d6b6579",
    "duplicate of RFC 9204 B.4": "02",
  };
  for (const [what, bytes] of Object.entries(bad)) {
    assert.throws(
      () => pushesAll(`20${bytes}`, new QpackEncoderStreamParser()),
      (error) =>
        error instanceof Http3Error && error.scope === "connection" &&
        error.code === ErrorCode.QPACK_ENCODER_STREAM_ERROR,
      what,
    );
  }
});

Deno.test("the decoder stream may cancel streams, the one of RFC 9204 B.4 among them", () => {
  pushesAll("48 40 7f00 7fff7f 7f80808001 48", new QpackDecoderStreamParser());
});

Deno.test("the decoder stream may not acknowledge what was never sent", () => {
  const bad = {
    "Insert Count Increment 0": "00",
    "Insert Count Increment 1 of RFC 9204 B.3": "01",
    "Section Acknowledgment of RFC 9204 B.2": "84",
    "a stream ID without end": "7f808080808080808080",
  };
  for (const [what, bytes] of Object.entries(bad)) {
    assert.throws(
      () => pushesAll(`48${bytes}`, new QpackDecoderStreamParser()),
      (error) =>
        error instanceof Http3Error && error.scope === "connection" &&
        error.code === ErrorCode.QPACK_DECODER_STREAM_ERROR,
      what,
    );
  }
});
