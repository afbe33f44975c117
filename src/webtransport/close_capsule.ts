import { encodeCapsule } from "../http3/capsule.ts";
import { ErrorCode, Http3Error } from "../http3/error.ts";

/** The capsule types of a session (draft-ietf-webtrans-http3 §6 and §4.7). */
export const CapsuleType = {
  CLOSE_WEBTRANSPORT_SESSION: 0x2843,
  DRAIN_WEBTRANSPORT_SESSION: 0x78ae,
} as const;

/** How a session is closed, in the words of W3C. */
export interface WebTransportCloseInfo {
  /** The application's code, from 0 to 2^32 - 1. */
  readonly closeCode: number;
  /** At most 1024 bytes of UTF-8. */
  readonly reason: string;
}

/** The longest reason, in bytes of UTF-8 (draft-ietf-webtrans-http3 §6). */
const MAX_REASON_BYTES = 1024;

/** The longest payload of a CLOSE capsule, in bytes: the code takes four. */
export const MAX_CLOSE_BYTES = 4 + MAX_REASON_BYTES;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A CLOSE_WEBTRANSPORT_SESSION capsule. A reason over 1024 bytes is cut between two characters, as
 * W3C WebTransport has it.
 *
 * @throws {RangeError} If `closeCode` is not an integer from 0 to 2^32 - 1.
 */
export function encodeCloseCapsule({ closeCode, reason }: WebTransportCloseInfo): Uint8Array {
  if (!Number.isInteger(closeCode) || closeCode < 0 || closeCode > 0xffff_ffff) {
    throw new RangeError(`A session's close code must be from 0 to 2^32 - 1: ${closeCode}`);
  }
  const payload = new Uint8Array(MAX_CLOSE_BYTES);
  new DataView(payload.buffer).setUint32(0, closeCode);
  const { written } = utf8.encodeInto(reason, payload.subarray(4));
  return encodeCapsule(CapsuleType.CLOSE_WEBTRANSPORT_SESSION, payload.subarray(0, 4 + written));
}

/**
 * Reads the payload of a CLOSE_WEBTRANSPORT_SESSION capsule.
 *
 * @throws {Http3Error} MESSAGE_ERROR of scope `"stream"` if it is shorter than the code, longer
 * than 1028 bytes, or its reason is no UTF-8.
 */
export function decodeCloseCapsule(payload: Uint8Array): WebTransportCloseInfo {
  if (payload.length < 4 || payload.length > MAX_CLOSE_BYTES) {
    throw malformed(`must have 4 to ${MAX_CLOSE_BYTES} bytes`, payload.length);
  }
  const closeCode = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  try {
    return { closeCode, reason: strictUtf8.decode(payload.subarray(4)) };
  } catch {
    throw malformed("must have a reason in UTF-8", payload.length);
  }
}

function malformed(what: string, length: number): Http3Error {
  return new Http3Error(
    ErrorCode.MESSAGE_ERROR,
    "stream",
    `A CLOSE capsule ${what}, draft-ietf-webtrans-http3 §6: ${length} bytes`,
  );
}
