import { encodeVarint, varintLength } from "../varint.ts";
import { ByteReader } from "./byte_reader.ts";
import { checkSessionId } from "./frame.ts";

/** The types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2, draft-ietf-webtrans-http3). */
export const StreamType = {
  CONTROL: 0x00,
  PUSH: 0x01,
  QPACK_ENCODER: 0x02,
  QPACK_DECODER: 0x03,
  WEBTRANSPORT: 0x54,
} as const;

/** What begins a unidirectional stream; `sessionId` is there exactly if it is WebTransport's. */
export interface UnidirectionalStreamHeader {
  readonly type: number;
  readonly sessionId?: number;
}

/** The bytes that begin a unidirectional stream: its type, and the Session ID if it has one. */
export function encodeUnidirectionalStreamHeader(header: UnidirectionalStreamHeader): Uint8Array {
  const { type, sessionId } = header;
  const typeLength = varintLength(type);
  if (sessionId === undefined) {
    const bytes = new Uint8Array(typeLength);
    encodeVarint(type, bytes, 0);
    return bytes;
  }
  const bytes = new Uint8Array(typeLength + varintLength(sessionId));
  encodeVarint(sessionId, bytes, encodeVarint(type, bytes, 0));
  return bytes;
}

/**
 * Reads what begins a unidirectional stream: push chunks until {@linkcode
 * UnidirectionalStreamParser.next} returns the header, then hand {@linkcode
 * UnidirectionalStreamParser.rest} to the parser of that type. It keeps at most 7 bytes, if next() is
 * called after each push.
 */
export class UnidirectionalStreamParser {
  readonly #reader = new ByteReader();
  #type: number | undefined;

  /** Appends a chunk of the stream. */
  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** The bytes that it holds, which are not read yet. */
  get bufferedBytes(): number {
    return this.#reader.length;
  }

  /**
   * The header once it is whole, until then `undefined`.
   *
   * @throws {Http3Error} ID_ERROR if a Session ID is not that of a client's bidirectional stream.
   */
  next(): UnidirectionalStreamHeader | undefined {
    this.#type ??= this.#reader.varint();
    if (this.#type === undefined) return undefined;
    if (this.#type !== StreamType.WEBTRANSPORT) return { type: this.#type };
    const sessionId = this.#reader.varint();
    if (sessionId === undefined) return undefined;
    return { type: this.#type, sessionId: checkSessionId(sessionId) };
  }

  /** The bytes after the header that are not read yet. */
  rest(): Uint8Array {
    return this.#reader.take(Infinity);
  }
}
