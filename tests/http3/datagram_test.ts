import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeDatagram, encodeDatagram } from "../../src/http3/datagram.ts";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import { hex } from "../bytes.ts";

function isDatagramError(error: unknown): boolean {
  return error instanceof Http3Error && error.scope === "connection" &&
    error.code === ErrorCode.DATAGRAM_ERROR;
}

Deno.test("decodeDatagram() returns what encodeDatagram() wrote", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), fc.uint8Array(), (quarter, payload) => {
      const datagram = encodeDatagram(quarter * 4, payload);
      assert.deepEqual(decodeDatagram(datagram), { streamId: quarter * 4, payload });
    }),
    { seed: 8 },
  );
});

Deno.test("a datagram begins with a quarter of its stream's ID", () => {
  assert.deepEqual(encodeDatagram(0x104, hex("ff")), hex("4041 ff"));
  assert.deepEqual(decodeDatagram(hex("00")), { streamId: 0, payload: hex("") });
});

Deno.test("decodeDatagram() rejects a datagram shorter than its Quarter Stream ID", () => {
  for (const bytes of ["", "40", "800000", "c0000000000000"]) {
    assert.throws(() => decodeDatagram(hex(bytes)), isDatagramError, bytes);
  }
});

Deno.test("decodeDatagram() rejects a Quarter Stream ID above 2^60 - 1, and none up to it", () => {
  assert.equal(decodeDatagram(hex("cfffffffffffffff")).streamId, 2 ** 62);
  assert.throws(() => decodeDatagram(hex("d000000000000000")), isDatagramError);
  assert.throws(() => decodeDatagram(hex("ffffffffffffffff aa")), isDatagramError);
});

Deno.test("encodeDatagram() rejects the ID of a stream that carries no datagrams", () => {
  assert.throws(() => encodeDatagram(2, hex("")), RangeError);
});
