import { decodeVarint, encodeVarint, varintLength } from "../varint.ts";
import { ByteCollector, ByteReader } from "./byte_reader.ts";
import { ErrorCode, Http3Error } from "./error.ts";
import { decodeSettings } from "./settings.ts";

/** The frame types of HTTP/3 (RFC 9114 §7.2), and WebTransport's signal that opens a stream. */
export const FrameType = {
  DATA: 0x00,
  HEADERS: 0x01,
  CANCEL_PUSH: 0x03,
  SETTINGS: 0x04,
  PUSH_PROMISE: 0x05,
  GOAWAY: 0x07,
  MAX_PUSH_ID: 0x0d,
  /** No frame: no length follows but the Session ID, then the stream's own bytes. */
  WEBTRANSPORT_STREAM: 0x41,
} as const;

/** The most that SETTINGS may take: a hundred times what browsers send, their GREASE included. */
const MAX_SETTINGS_BYTES = 4096;

/** One whole frame. */
export function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
  const header = encodeFrameHeader(type, payload.length);
  const frame = new Uint8Array(header.length + payload.length);
  frame.set(header);
  frame.set(payload, header.length);
  return frame;
}

/** The type and length of a frame whose payload, `length` bytes, is written apart. */
export function encodeFrameHeader(type: number, length: number): Uint8Array {
  const header = new Uint8Array(varintLength(type) + varintLength(length));
  encodeVarint(length, header, encodeVarint(type, header, 0));
  return header;
}

/** What {@linkcode FrameParser} finds. */
export type FrameEvent =
  /** Part of a DATA payload: a view of the chunk pushed. */
  | { readonly type: "data"; readonly chunk: Uint8Array }
  /** A field section, still encoded by QPACK; the second one of a stream is the trailers. */
  | { readonly type: "headers"; readonly payload: Uint8Array }
  /** A field section over the limit, which is skipped: answer 431. */
  | { readonly type: "headers-too-large"; readonly length: number }
  | { readonly type: "settings"; readonly settings: Map<number, number> }
  | { readonly type: "goaway"; readonly id: number }
  | { readonly type: "max-push-id"; readonly id: number }
  /** The stream belongs to WebTransport: {@linkcode FrameParser.rest} has its first bytes. */
  | { readonly type: "webtransport-stream"; readonly sessionId: number };

/**
 * Reads the frames of a client's control stream or of a request stream (RFC 9114 §7): push chunks,
 * and after each call {@linkcode FrameParser.next} until it returns `undefined`.
 *
 * - The payload of DATA comes in pieces as it arrives; that of other known frames comes whole.
 * - Unknown frames are skipped while they arrive, never buffered: their cost is
 *   {@linkcode FrameParser.skippedBytes}.
 * - It keeps at most `maxFieldSectionBytes` (request stream) or 4 KiB (control stream).
 * - Events hold views of the chunks pushed: use them up before a chunk's buffer is reused.
 * - After a throw it is of no further use.
 */
export class FrameParser {
  /**
   * The bytes that carried nothing so far: unknown frames with their headers, empty DATA frames,
   * and control frames after SETTINGS. The owner sets a budget for them.
   */
  skippedBytes = 0;
  readonly #kind: "control" | "request";
  readonly #maxFieldSectionBytes: number;
  readonly #reader = new ByteReader();
  /**
   * `"opened"` before the first known frame, `"headers"` after it, `"trailers"` after the second field
   * section, `"handed-over"` when the rest is another parser's.
   */
  #order: "opened" | "headers" | "trailers" | "handed-over" = "opened";
  #type: number | undefined;
  #start = 0;
  #remaining = 0;
  /** What becomes of the payload of the frame at hand; `undefined` outside of a payload. */
  #payload: "data" | "skip" | ByteCollector | undefined;
  #maxPushId = -1;
  #goawayId = Infinity;

  /**
   * @param options.maxFieldSectionBytes The longest HEADERS payload, in bytes; of no effect on a
   * control stream, where HEADERS is an error.
   */
  constructor(options: { kind: "control" | "request"; maxFieldSectionBytes: number }) {
    this.#kind = options.kind;
    this.#maxFieldSectionBytes = options.maxFieldSectionBytes;
  }

  /** Appends a chunk of the stream. */
  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** The bytes that it holds: what is not read yet, and the buffer of a torn payload. */
  get bufferedBytes(): number {
    const payload = this.#payload instanceof ByteCollector ? this.#payload.bufferedBytes : 0;
    return this.#reader.length + payload;
  }

  /**
   * The next event, or `undefined` when more bytes are needed.
   *
   * @throws {Http3Error} Of scope `"connection"`, for every breach of RFC 9114 §6.2.1, §7 and
   * draft-ietf-webtrans-http3 §4.3.
   */
  next(): FrameEvent | undefined {
    while (this.#order !== "handed-over") {
      if (this.#payload === undefined) {
        const event = this.#readHeader();
        if (event !== "begun") return event;
      } else {
        const event = this.#readPayload(this.#payload);
        if (event !== "skipped") return event;
      }
    }
    return undefined;
  }

  /**
   * The stream's FIN.
   *
   * @throws {Http3Error} On a control stream CLOSED_CRITICAL_STREAM (RFC 9114 §6.2.1). On a request
   * stream, if it ends before HEADERS or within a frame, REQUEST_INCOMPLETE of scope `"stream"`: a
   * peer without RESET_STREAM, as Deno is, ends an aborted request by FIN too.
   */
  end(): void {
    if (this.#kind === "control") {
      throw new Http3Error(
        ErrorCode.CLOSED_CRITICAL_STREAM,
        "connection",
        "The peer closed its control stream, RFC 9114 §6.2.1",
      );
    }
    const inFrame = this.#payload !== undefined || this.#type !== undefined ||
      this.#reader.length > 0;
    if (inFrame || this.#order === "opened") {
      throw new Http3Error(
        ErrorCode.REQUEST_INCOMPLETE,
        "stream",
        `A request ended ${inFrame ? "within a frame" : "before HEADERS"}, RFC 9114 §4.1`,
      );
    }
  }

  /** The bytes not read yet, which are another parser's now. */
  rest(): Uint8Array {
    return this.#reader.take(Infinity);
  }

  #checkType(type: number): void {
    if (this.#kind === "control" && this.#order === "opened" && type !== FrameType.SETTINGS) {
      throw connectionError(
        ErrorCode.MISSING_SETTINGS,
        "The control stream must begin with SETTINGS, RFC 9114 §6.2.1",
        type,
      );
    }
    if (type === FrameType.WEBTRANSPORT_STREAM) {
      if (this.#kind === "control" || this.#order !== "opened" || this.skippedBytes > 0) {
        throw connectionError(
          ErrorCode.FRAME_ERROR,
          "The WebTransport signal must begin a request stream, draft-ietf-webtrans-http3 §4.3",
          type,
        );
      }
      return;
    }
    if (this.#kind === "control" ? !this.#allowsOnControl(type) : !this.#allowsOnRequest(type)) {
      throw connectionError(
        ErrorCode.FRAME_UNEXPECTED,
        `A frame is not allowed here on a ${this.#kind} stream, RFC 9114 §7.2`,
        type,
      );
    }
  }

  #allowsOnControl(type: number): boolean {
    switch (type) {
      case FrameType.SETTINGS:
        return this.#order === "opened";
      case FrameType.DATA:
      case FrameType.HEADERS:
      case FrameType.PUSH_PROMISE:
        return false;
    }
    return !isHttp2Type(type);
  }

  #allowsOnRequest(type: number): boolean {
    switch (type) {
      case FrameType.DATA:
        return this.#order === "headers";
      case FrameType.HEADERS:
        return this.#order !== "trailers";
      case FrameType.CANCEL_PUSH:
      case FrameType.SETTINGS:
      case FrameType.PUSH_PROMISE:
      case FrameType.GOAWAY:
      case FrameType.MAX_PUSH_ID:
        return false;
    }
    return !isHttp2Type(type);
  }

  /** Reads a frame's type and length; `"begun"` if its payload is next. */
  #readHeader(): FrameEvent | "begun" | undefined {
    if (this.#type === undefined) {
      this.#start = this.#reader.position;
      this.#type = this.#reader.varint();
      if (this.#type === undefined) return undefined;
      this.#checkType(this.#type);
    }
    const length = this.#reader.varint();
    if (length === undefined) return undefined;
    const type = this.#type;
    const headerLength = this.#reader.position - this.#start;
    this.#remaining = length;
    switch (type) {
      case FrameType.DATA:
        if (length === 0) this.skippedBytes += headerLength;
        this.#payload = "data";
        return "begun";
      case FrameType.HEADERS:
        this.#order = this.#order === "opened" ? "headers" : "trailers";
        if (length > this.#maxFieldSectionBytes) {
          this.#payload = "skip";
          return { type: "headers-too-large", length };
        }
        break;
      case FrameType.SETTINGS:
        this.#order = "headers";
        if (length > MAX_SETTINGS_BYTES) {
          throw new Http3Error(
            ErrorCode.EXCESSIVE_LOAD,
            "connection",
            `SETTINGS must not take more than ${MAX_SETTINGS_BYTES} bytes: ${length}`,
          );
        }
        break;
      case FrameType.GOAWAY:
      case FrameType.MAX_PUSH_ID:
      case FrameType.CANCEL_PUSH:
        this.skippedBytes += headerLength + length;
        // The payload is one varint, RFC 9114 §7.2.3, §7.2.6 and §7.2.7.
        if (length < 1 || length > 8) throw badLength(type, length);
        break;
      case FrameType.WEBTRANSPORT_STREAM:
        // The second varint of this "frame" is the Session ID.
        this.#order = "handed-over";
        return { type: "webtransport-stream", sessionId: checkSessionId(length) };
      default:
        this.skippedBytes += headerLength;
        this.#payload = "skip";
        return "begun";
    }
    this.#payload = new ByteCollector(length);
    return "begun";
  }

  /** Reads on in the payload; `"skipped"` if it is over without an event. */
  #readPayload(how: "data" | "skip" | ByteCollector): FrameEvent | "skipped" | undefined {
    if (how instanceof ByteCollector) {
      const payload = how.collect(this.#reader);
      if (payload === undefined) return undefined;
      const type = this.#type!;
      this.#endFrame();
      return this.#whole(type, payload);
    }
    const chunk = this.#reader.take(this.#remaining);
    this.#remaining -= chunk.length;
    const over = this.#remaining === 0;
    if (over) this.#endFrame();
    if (how === "data") {
      if (chunk.length > 0) return { type: "data", chunk };
    } else {
      this.skippedBytes += chunk.length;
    }
    return over ? "skipped" : undefined;
  }

  #endFrame(): void {
    this.#type = undefined;
    this.#payload = undefined;
  }

  #whole(type: number, payload: Uint8Array): FrameEvent {
    if (type === FrameType.HEADERS) return { type: "headers", payload };
    if (type === FrameType.SETTINGS) return { type: "settings", settings: decodeSettings(payload) };
    const decoded = decodeVarint(payload, 0);
    if (decoded === undefined || decoded.next !== payload.length) {
      throw badLength(type, payload.length);
    }
    const id = decoded.value;
    switch (type) {
      case FrameType.GOAWAY:
        if (id > this.#goawayId) {
          throw idError("A GOAWAY must not exceed the one before it, RFC 9114 §5.2", id);
        }
        this.#goawayId = id;
        return { type: "goaway", id };
      case FrameType.MAX_PUSH_ID:
        if (id < this.#maxPushId) {
          throw idError("A MAX_PUSH_ID must not undercut the one before it, RFC 9114 §7.2.7", id);
        }
        this.#maxPushId = id;
        return { type: "max-push-id", id };
      default:
        // CANCEL_PUSH: this layer never promises a push.
        throw idError("A CANCEL_PUSH must name a promised push, RFC 9114 §7.2.3", id);
    }
  }
}

/**
 * Returns `sessionId` if it can be a WebTransport Session ID, the ID of a client-initiated
 * bidirectional stream.
 *
 * @throws {Http3Error} ID_ERROR if it cannot (draft-ietf-webtrans-http3 §4).
 */
export function checkSessionId(sessionId: number): number {
  if (sessionId % 4 !== 0) {
    throw idError(
      "A Session ID must be that of a client's bidirectional stream, draft-ietf-webtrans-http3 §4",
      sessionId,
    );
  }
  return sessionId;
}

/** The frame types that HTTP/2 has and HTTP/3 reserves (RFC 9114 §7.2.8). */
function isHttp2Type(type: number): boolean {
  return type === 0x02 || type === 0x06 || type === 0x08 || type === 0x09;
}

function connectionError(code: number, what: string, type: number): Http3Error {
  return new Http3Error(code, "connection", `${what}: frame type 0x${type.toString(16)}`);
}

function badLength(type: number, length: number): Http3Error {
  return connectionError(
    ErrorCode.FRAME_ERROR,
    `A frame must hold exactly one varint, RFC 9114 §7.1, not ${length} bytes`,
    type,
  );
}

function idError(what: string, id: number): Http3Error {
  return new Http3Error(ErrorCode.ID_ERROR, "connection", `${what}: ${id}`);
}
