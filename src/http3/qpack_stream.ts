import { ErrorCode, Http3Error } from "./error.ts";
import { MAX_CONTINUATION_BYTES } from "./prefixed_integer.ts";

/**
 * Checks the peer's encoder stream (RFC 9204 §4.3) for a dynamic table of capacity 0: the only
 * instruction that it may carry is Set Dynamic Table Capacity to 0, one byte. It keeps nothing.
 */
export class QpackEncoderStreamParser {
  /**
   * Checks the next chunk.
   *
   * @throws {Http3Error} QPACK_ENCODER_STREAM_ERROR at any other instruction.
   */
  push(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (byte !== SET_CAPACITY_0) {
        throw new Http3Error(
          ErrorCode.QPACK_ENCODER_STREAM_ERROR,
          "connection",
          `The dynamic table has capacity 0, RFC 9204 §3.2.3: instruction 0x${byte.toString(16)}`,
        );
      }
    }
  }
}

const SET_CAPACITY_0 = 0x20;

/**
 * Checks the peer's decoder stream (RFC 9204 §4.4) against an encoder that never uses the dynamic
 * table: the only instruction that it may carry is Stream Cancellation. It keeps one counter.
 */
export class QpackDecoderStreamParser {
  /** Bytes read of a Stream Cancellation's stream ID after its first, 0 between instructions. */
  #continuation = 0;

  /**
   * Checks the next chunk.
   *
   * @throws {Http3Error} QPACK_DECODER_STREAM_ERROR at a Section Acknowledgment or Insert Count
   * Increment, neither of which there is reason for, or at a stream ID that is no integer.
   */
  push(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (this.#continuation > 0) {
        if (byte < 0x80) this.#continuation = 0;
        else if (++this.#continuation > MAX_CONTINUATION_BYTES) throw decoderStreamError(byte);
      } else if ((byte & 0xc0) !== STREAM_CANCELLATION) {
        throw decoderStreamError(byte);
      } else if ((byte & 0x3f) === 0x3f) {
        this.#continuation = 1;
      }
    }
  }
}

const STREAM_CANCELLATION = 0x40;

function decoderStreamError(byte: number): Http3Error {
  return new Http3Error(
    ErrorCode.QPACK_DECODER_STREAM_ERROR,
    "connection",
    `The decoder stream may only cancel streams, RFC 9204 §4.4: byte 0x${byte.toString(16)}`,
  );
}
