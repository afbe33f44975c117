import assert from "node:assert/strict";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import {
  encodeUnidirectionalStreamHeader,
  StreamType,
  UnidirectionalStreamParser,
} from "../../src/http3/unidirectional_stream.ts";
import { hex } from "../bytes.ts";

Deno.test("a stream's type is read, and the rest handed over", () => {
  const parser = new UnidirectionalStreamParser();
  assert.equal(parser.next(), undefined);
  parser.push(hex("00 0400"));
  assert.deepEqual(parser.next(), { type: StreamType.CONTROL });
  assert.deepEqual(parser.rest(), hex("0400"));
});

Deno.test("a WebTransport stream's Session ID is read byte by byte", () => {
  const header = encodeUnidirectionalStreamHeader({
    type: StreamType.WEBTRANSPORT,
    sessionId: 1024,
  });
  assert.deepEqual(header, hex("4054 4400"));
  const parser = new UnidirectionalStreamParser();
  for (const byte of header.subarray(0, -1)) {
    parser.push(Uint8Array.of(byte));
    assert.equal(parser.next(), undefined);
  }
  parser.push(hex("00 99"));
  assert.deepEqual(parser.next(), { type: StreamType.WEBTRANSPORT, sessionId: 1024 });
  assert.deepEqual(parser.rest(), hex("99"));
});

Deno.test("the type of an unknown stream is read whatever its length", () => {
  const parser = new UnidirectionalStreamParser();
  parser.push(encodeUnidirectionalStreamHeader({ type: 0x1f * 1e9 + 0x21 }));
  assert.deepEqual(parser.next(), { type: 0x1f * 1e9 + 0x21 });
});

Deno.test("a Session ID that is no client's bidirectional stream is an ID_ERROR", () => {
  for (const id of ["01", "02", "03"]) {
    const parser = new UnidirectionalStreamParser();
    parser.push(hex(`4054 ${id}`));
    assert.throws(
      () => parser.next(),
      (error) => error instanceof Http3Error && error.code === ErrorCode.ID_ERROR,
    );
  }
});
