import assert from "node:assert/strict";
import fc from "fast-check";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { Framer } from "../../src/protocol/framer.ts";
import { ProtocolError } from "../../src/protocol/protocol_error.ts";
import { encodeVarint, varintLength } from "../../src/varint.ts";

Deno.test("frames come out whole and in order, however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 }),
      (frames, sizes) => {
        const framer = new Framer(300);
        const seen: Uint8Array[] = [];
        const bytes = join(frames);
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length]!;
          // The chunk's memory is used again, as a reader's own buffer would be.
          const chunk = bytes.slice(at, at + size);
          at += size;
          framer.push(chunk);
          for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
            seen.push(frame.slice());
          }
          chunk.fill(0xee);
        }
        assert.deepEqual(seen, frames);
        assert.equal(framer.pendingBytes, 0);
      },
    ),
    { seed: 22, numRuns: 500 },
  );
});

Deno.test("chunks pushed before the first frame is popped are all kept", () => {
  const framer = new Framer(10);
  const bytes = join([Uint8Array.of(1, 2), Uint8Array.of(3)]);
  for (const byte of bytes) framer.push(Uint8Array.of(byte));
  assert.deepEqual(framer.next(), Uint8Array.of(1, 2));
  assert.deepEqual(framer.next(), Uint8Array.of(3));
  assert.equal(framer.next(), undefined);
});

Deno.test("a frame of exactly the limit passes, one byte more is refused by its length alone", () => {
  const framer = new Framer(64);
  framer.push(join([new Uint8Array(64)]));
  assert.equal(framer.next()?.length, 64);
  framer.push(Uint8Array.of(0x40, 65));
  assert.throws(() => framer.next(), (error) => {
    assert(error instanceof ProtocolError);
    assert.equal(error.closeCode, CloseCode.MESSAGE_TOO_LARGE);
    assert.equal(error.message, "A message of at most 64 bytes was expected: 65");
    return true;
  });
});

Deno.test("a claimed length reserves no memory before its bytes come", () => {
  const framer = new Framer(2 ** 30);
  framer.push(Uint8Array.of(0xbf, 0xff, 0xff, 0xff, 1));
  assert.equal(framer.next(), undefined);
  assert.equal(framer.pendingBytes, 5);
});

Deno.test("a frame that comes byte by byte is copied a few times, not once per byte", () => {
  const frame = new Uint8Array(50_000);
  const bytes = join([frame]);
  const framer = new Framer(50_000);
  let copied = 0;
  const original = Uint8Array.prototype.set;
  Uint8Array.prototype.set = function (source: ArrayLike<number>, offset?: number) {
    copied += source.length;
    original.call(this, source, offset);
  };
  try {
    let popped: Uint8Array | undefined;
    for (const byte of bytes) {
      framer.push(Uint8Array.of(byte));
      popped = framer.next();
    }
    assert.equal(popped?.length, 50_000);
  } finally {
    Uint8Array.prototype.set = original;
  }
  assert(copied < 4 * bytes.length, `${copied} bytes copied`);
});

function join(frames: readonly Uint8Array[]): Uint8Array {
  const total = frames.reduce((sum, frame) => sum + varintLength(frame.length) + frame.length, 0);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const frame of frames) {
    at = encodeVarint(frame.length, bytes, at);
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}
