import { FrameType } from "../http3/frame.ts";
import { StreamType } from "../http3/unidirectional_stream.ts";
import { encodeVarint, varintLength } from "../varint.ts";

/** What begins a bidirectional stream of the session (draft-ietf-webtrans-http3 §4.3). */
export function encodeBidirectionalHeader(sessionId: number): Uint8Array {
  return encodeHeader(FrameType.WEBTRANSPORT_STREAM, sessionId);
}

/** What begins a unidirectional stream of the session (draft-ietf-webtrans-http3 §4.2). */
export function encodeUnidirectionalHeader(sessionId: number): Uint8Array {
  return encodeHeader(StreamType.WEBTRANSPORT, sessionId);
}

function encodeHeader(type: number, sessionId: number): Uint8Array {
  const header = new Uint8Array(varintLength(type) + varintLength(sessionId));
  encodeVarint(sessionId, header, encodeVarint(type, header, 0));
  return header;
}
