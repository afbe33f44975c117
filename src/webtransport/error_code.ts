/** The error codes of draft-ietf-webtrans-http3 that end a stream or a session. */
export const WebTransportErrorCode = {
  /** A stream came for a session that did not begin in time, or there was no room to buffer it. */
  BUFFERED_STREAM_REJECTED: 0x3994bd84,
  /** The stream's session has ended. */
  SESSION_GONE: 0x170d7b68,
  FLOW_CONTROL_ERROR: 0x045d4487,
} as const;

/** The HTTP/3 code of application code 0. */
const FIRST = 0x52e4a40fa8db;
/** The HTTP/3 code of application code 2^32 - 1. */
const LAST = 0x52e5ac983162;

/**
 * The HTTP/3 error code that carries the application error code `code` of a stream, as
 * draft-ietf-webtrans-http3 §4.4 maps it.
 *
 * @throws {RangeError} If `code` is not an integer from 0 to 2^32 - 1.
 */
export function webTransportToHttp3(code: number): number {
  if (!Number.isInteger(code) || code < 0 || code > 0xffff_ffff) {
    throw new RangeError(`A stream's error code must be from 0 to 2^32 - 1: ${code}`);
  }
  return FIRST + code + Math.floor(code / 0x1e);
}

/**
 * The application error code that the HTTP/3 error code `code` carries, or `undefined` if it is none:
 * outside the range, or one of the codepoints in it that HTTP/3 reserves for GREASE.
 */
export function http3ToWebTransport(code: number): number | undefined {
  if (!Number.isInteger(code) || code < FIRST || code > LAST) return undefined;
  if ((code - 0x21) % 0x1f === 0) return undefined;
  const shifted = code - FIRST;
  return shifted - Math.floor(shifted / 0x1f);
}
