import { decodeVarint, encodeVarint, varintLength } from "../varint.ts";
import { ErrorCode, Http3Error } from "./error.ts";

/** An HTTP Datagram (RFC 9297 §2.1): the Quarter Stream ID of `streamId`, then the payload. */
export function encodeDatagram(streamId: number, payload: Uint8Array): Uint8Array {
  const quarter = streamId / 4;
  const start = varintLength(quarter);
  const datagram = new Uint8Array(start + payload.length);
  encodeVarint(quarter, datagram, 0);
  datagram.set(payload, start);
  return datagram;
}

/**
 * Reads an HTTP Datagram: the ID of its request stream, and a view of its payload, which may be
 * empty.
 *
 * @throws {Http3Error} DATAGRAM_ERROR if it ends within the Quarter Stream ID, or if that exceeds
 * 2^60 - 1 (RFC 9297 §2.1).
 */
export function decodeDatagram(datagram: Uint8Array): { streamId: number; payload: Uint8Array } {
  const quarter = decodeVarint(datagram, 0);
  if (quarter === undefined) {
    throw new Http3Error(
      ErrorCode.DATAGRAM_ERROR,
      "connection",
      `A datagram ends within its Quarter Stream ID, RFC 9297 §2.1: ${datagram.length} bytes`,
    );
  }
  // The value is a double, in which 2^60 - 1 and 2^60 are the same; the first byte tells exactly.
  if (datagram[0]! >= 0xd0) {
    throw new Http3Error(
      ErrorCode.DATAGRAM_ERROR,
      "connection",
      `A Quarter Stream ID must not exceed 2^60 - 1, RFC 9297 §2.1: ${quarter.value}`,
    );
  }
  return { streamId: quarter.value * 4, payload: datagram.subarray(quarter.next) };
}
