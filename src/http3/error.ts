/** The error codes of HTTP/3 (RFC 9114 §8.1), its datagrams (RFC 9297 §5.2) and QPACK (RFC 9204 §6). */
export const ErrorCode = {
  DATAGRAM_ERROR: 0x33,
  NO_ERROR: 0x100,
  GENERAL_PROTOCOL_ERROR: 0x101,
  INTERNAL_ERROR: 0x102,
  STREAM_CREATION_ERROR: 0x103,
  CLOSED_CRITICAL_STREAM: 0x104,
  FRAME_UNEXPECTED: 0x105,
  FRAME_ERROR: 0x106,
  EXCESSIVE_LOAD: 0x107,
  ID_ERROR: 0x108,
  SETTINGS_ERROR: 0x109,
  MISSING_SETTINGS: 0x10a,
  REQUEST_REJECTED: 0x10b,
  REQUEST_CANCELLED: 0x10c,
  REQUEST_INCOMPLETE: 0x10d,
  MESSAGE_ERROR: 0x10e,
  CONNECT_ERROR: 0x10f,
  VERSION_FALLBACK: 0x110,
  QPACK_DECOMPRESSION_FAILED: 0x200,
  QPACK_ENCODER_STREAM_ERROR: 0x201,
  QPACK_DECODER_STREAM_ERROR: 0x202,
} as const;

/**
 * What the peer did wrong. A parser throws it; the owner of the QUIC connection acts on it:
 *
 * - scope `"connection"`: close the QUIC connection with {@linkcode Http3Error.code};
 * - scope `"stream"`: end only the stream it came from.
 */
export class Http3Error extends Error {
  override readonly name = "Http3Error";
  /** One of {@linkcode ErrorCode}, or a code of an extension. */
  readonly code: number;
  readonly scope: "connection" | "stream";

  constructor(code: number, scope: "connection" | "stream", message: string) {
    super(message);
    this.code = code;
    this.scope = scope;
  }
}
