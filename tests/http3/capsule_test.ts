import assert from "node:assert/strict";
import fc from "fast-check";
import { CapsuleParser, encodeCapsule } from "../../src/http3/capsule.ts";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import { encodeFrameHeader } from "../../src/http3/frame.ts";
import { chunked, concat, hex } from "../bytes.ts";

const CLOSE = 0x2843;
const DRAIN = 0x78ae;

function parser(): CapsuleParser {
  return new CapsuleParser({ maxCapsuleBytes: 1028, known: new Set([CLOSE, DRAIN]) });
}

function capsules(...chunks: readonly Uint8Array[]): { type: number; payload: Uint8Array }[] {
  const reader = parser();
  const found = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let capsule = reader.next(); capsule; capsule = reader.next()) found.push(capsule);
  }
  reader.end();
  return found;
}

function isMessageError(error: unknown): boolean {
  return error instanceof Http3Error && error.scope === "stream" &&
    error.code === ErrorCode.MESSAGE_ERROR;
}

const STREAM = concat(
  encodeCapsule(0x1f * 3 + 0x17, hex("00112233")),
  encodeCapsule(DRAIN, hex("")),
  encodeCapsule(0, new Uint8Array(3000)),
  encodeCapsule(CLOSE, hex("00000007 6279 65")),
);

Deno.test("CapsuleParser returns known capsules whole and leaves the others out", () => {
  assert.deepEqual(encodeCapsule(CLOSE, hex("00000007")), hex("6843 04 00000007"));
  assert.deepEqual(capsules(STREAM), [
    { type: DRAIN, payload: hex("") },
    { type: CLOSE, payload: hex("00000007 627965") },
  ]);
});

Deno.test("the capsules do not depend on how the stream is cut into chunks", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (lengths) => {
      assert.deepEqual(capsules(...chunked(STREAM, lengths)), capsules(STREAM));
    }),
    { seed: 7 },
  );
  assert.deepEqual(
    capsules(...chunked(STREAM, new Array(STREAM.length).fill(1))),
    capsules(STREAM),
  );
});

Deno.test("unknown capsules of any length are skipped and counted, never buffered", () => {
  const reader = parser();
  reader.push(encodeFrameHeader(0x17, Number.MAX_SAFE_INTEGER));
  for (let count = 0; count < 100; count++) {
    reader.push(new Uint8Array(1000));
    assert.equal(reader.next(), undefined);
  }
  assert.equal(reader.skippedBytes, 9 + 100_000);
  const empty = parser();
  empty.push(hex("1700 1700 1700"));
  assert.equal(empty.next(), undefined);
  assert.equal(empty.skippedBytes, 6);
});

Deno.test("a known capsule over the limit is malformed before its payload arrives", () => {
  const reader = parser();
  reader.push(encodeFrameHeader(CLOSE, 1029));
  assert.throws(() => reader.next(), isMessageError);
  assert.equal(capsules(encodeCapsule(CLOSE, new Uint8Array(1028))).length, 1);
});

Deno.test("end() finds a truncated capsule malformed, wherever it is cut", () => {
  const whole = [encodeCapsule(CLOSE, hex("00000007")), encodeCapsule(0x17, hex("0011"))];
  for (const capsule of whole) {
    for (let length = 1; length < capsule.length; length++) {
      assert.throws(() => capsules(capsule.subarray(0, length)), isMessageError);
    }
  }
  assert.deepEqual(capsules(), []);
});
