import type { TimerId } from "../policy/clock.ts";
import type { Http3Connection } from "./connection.ts";
import { ErrorCode, Http3Error } from "./error.ts";
import {
  encodeFrame,
  encodeFrameHeader,
  type FrameEvent,
  FrameParser,
  FrameType,
} from "./frame.ts";
import {
  decodeFieldSection,
  encodeFieldSection,
  type Field,
  FieldSectionTooLarge,
} from "./qpack.ts";
import { resetCodeOf } from "./quic_error.ts";
import { encodeResponseHead, parseRequestHead, type RequestHead } from "./request.ts";

/** A WebTransport stream's header is no shorter: reading this much at first takes nothing else. */
const SHORTEST_HEADER_BYTES = 3;
/** The longest header of a WebTransport stream: two varints of 8 bytes. */
const LONGEST_HEADER_BYTES = 16;
/** What a pending read holds: a whole head of a browser's fits, and an idle session is cheap. */
const CHUNK_BYTES = 1024;
/** What a read of a body that is known to flow holds. */
const BODY_CHUNK_BYTES = 16_384;
/** A payload up to this size is copied behind its frame header: cheaper than a second write. */
const MAX_COPIED_BYTES = 4096;

/**
 * A client's bidirectional stream: a request and its response, until its first bytes show that it
 * is a WebTransport stream, which is handed on untouched.
 *
 * Every write has a timer: a client that never reads is closed after `stallTimeoutMs`. A stream's
 * own error is answered with a status where there is none yet; Deno cannot reset it.
 */
export class RequestStream {
  readonly connection: Http3Connection;
  /** The head; there from the moment that a handler has the stream. */
  head!: RequestHead;
  /** Called once if QUIC ends before {@linkcode RequestStream.finish}. */
  onAbort: (() => void) | undefined;
  readonly #stream: Deno.QuicBidirectionalStream;
  readonly #parser: FrameParser;
  #reader: ReadableStreamBYOBReader;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #skippedBytes = 0;
  #chunkBytes = CHUNK_BYTES;
  #responded = false;
  #readEnded = false;
  #writeEnded = false;
  #finished = false;

  constructor(connection: Http3Connection, stream: Deno.QuicBidirectionalStream) {
    this.connection = connection;
    this.#stream = stream;
    this.#reader = stream.readable.getReader({ mode: "byob" });
    this.#parser = new FrameParser({
      kind: "request",
      maxFieldSectionBytes: connection.options.maxFieldSectionBytes,
    });
  }

  /** The ID of the QUIC stream. */
  get id(): number {
    return Number(this.#stream.writable.id);
  }

  /** Reads the head and hands the stream to the handler of its kind. */
  open(): void {
    this.#open().catch((error) => this.#fail(error));
  }

  /**
   * The next part of the request's content, or `undefined` at its end. One call at a time.
   *
   * @throws {Http3Error} If the client broke the protocol (QUIC is closed then, if it must be), or
   * with REQUEST_CANCELLED if it reset the stream; any other error is the end of QUIC.
   */
  async readData(): Promise<Uint8Array | undefined> {
    try {
      while (!this.#readEnded) {
        const event = this.#nextEvent();
        if (event?.type === "data") {
          this.#chunkBytes = BODY_CHUNK_BYTES;
          return event.chunk;
        }
        if (event !== undefined) this.#checkTrailers(event);
        else await this.#readChunk(this.#chunkBytes);
      }
      return undefined;
    } catch (error) {
      this.#readEnded = true;
      // What finish() cuts off is no error of the client's.
      if (error instanceof Http3Error && !this.#finished) this.connection.reject(error);
      throw error;
    }
  }

  /**
   * Sends the head of the response.
   *
   * @throws {RangeError} If `status` is not from 200 to 599.
   */
  async respond(status: number, headers?: HeadersInit): Promise<void> {
    const section = encodeFieldSection(encodeResponseHead(status, headers));
    this.#responded = true;
    await this.#write(encodeFrame(FrameType.HEADERS, section));
  }

  /** Sends content; resolves when QUIC has taken it. */
  async writeData(payload: Uint8Array): Promise<void> {
    if (payload.length <= MAX_COPIED_BYTES) {
      return await this.#write(encodeFrame(FrameType.DATA, payload));
    }
    await this.#write(encodeFrameHeader(FrameType.DATA, payload.length));
    await this.#write(payload);
  }

  /** Ends the response: FIN, after what was written. */
  async end(): Promise<void> {
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    const timer = this.#stallTimer();
    try {
      await this.#openWriter().close();
    } finally {
      this.connection.options.clock.clearTimeout(timer);
    }
  }

  /** Answers with `status` and no content, and ends the stream. */
  async refuse(status: number, headers?: HeadersInit, idleMs?: number): Promise<void> {
    try {
      await this.respond(status, headers);
    } finally {
      await this.finish(idleMs);
    }
  }

  /**
   * Ends both directions, whatever is open; only the first call counts.
   *
   * @param idleMs How long QUIC may now be idle, if nothing else is under way.
   */
  async finish(idleMs?: number): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    this.onAbort = undefined;
    if (!this.#readEnded) this.#reader.cancel().catch(() => {});
    try {
      await this.end();
    } catch {
      // The client does not want it, or is gone: that ends it as well.
    } finally {
      this.connection.leave(this, idleMs);
    }
  }

  /** QUIC has ended. */
  abort(): void {
    this.#finished = true;
    const { onAbort } = this;
    this.onAbort = undefined;
    onAbort?.();
  }

  async #open(): Promise<void> {
    const event = await this.#readFirst();
    if (event === undefined) return;
    if (event.type === "webtransport-stream") {
      this.#reader.releaseLock();
      this.connection.handlers.onBidirectionalStream(event.sessionId, this.#stream);
      return;
    }
    this.connection.enter(this);
    if (event.type !== "headers") return await this.refuse(431);
    this.head = parseRequestHead(
      decodeFieldSection(event.payload, this.connection.options),
    );
    // The client has been told by GOAWAY that it may send this one again elsewhere.
    if (this.connection.isShuttingDown) return await this.refuse(503);
    this.connection.handlers.onRequest(this);
  }

  /** The first event, or `undefined` if QUIC ended before it. */
  async #readFirst(): Promise<FrameEvent | undefined> {
    let timer: TimerId | undefined;
    try {
      let size = SHORTEST_HEADER_BYTES;
      for (let length = 0;;) {
        // Without a byte the stream costs this read alone; the first byte starts the timer.
        const chunk = await this.#readChunk(size);
        if (chunk === undefined) return undefined;
        const event = this.#nextEvent();
        if (event !== undefined) return event;
        timer ??= this.connection.closeAfter(
          this.connection.options.headTimeoutMs,
          "A request's head took too long",
        );
        // The signal 0x41 is a varint of two bytes or more; after one of a single byte, or after
        // the longest header, all further bytes are this parser's.
        const mayBeWebTransport = length === 0 ? chunk[0]! >= 0x40 : size === 1;
        length += chunk.length;
        size = mayBeWebTransport && length < LONGEST_HEADER_BYTES ? 1 : CHUNK_BYTES;
      }
    } finally {
      if (timer !== undefined) this.connection.options.clock.clearTimeout(timer);
    }
  }

  /** Reads up to `size` bytes into the parser; `undefined` at the end, which the parser has checked. */
  async #readChunk(size: number): Promise<Uint8Array | undefined> {
    let result: ReadableStreamReadResult<Uint8Array>;
    try {
      result = await this.#reader.read(new Uint8Array(size));
    } catch (error) {
      const code = resetCodeOf(error);
      if (code === undefined) throw error;
      throw new Http3Error(
        ErrorCode.REQUEST_CANCELLED,
        "stream",
        `The client reset its stream: 0x${code.toString(16)}`,
      );
    }
    if (result.done) {
      this.#readEnded = true;
      this.#parser.end();
      return undefined;
    }
    this.#parser.push(result.value);
    return result.value;
  }

  #nextEvent(): FrameEvent | undefined {
    const event = this.#parser.next();
    const skipped = this.#parser.skippedBytes;
    this.connection.spendOverhead(skipped - this.#skippedBytes);
    this.#skippedBytes = skipped;
    return event;
  }

  /**
   * Checks what comes beside DATA. Trailers have no meaning here, but must be a field section without
   * pseudo-header fields, and a CONNECT has none.
   */
  #checkTrailers(event: FrameEvent): void {
    if (this.head.method === "CONNECT") {
      throw new Http3Error(
        ErrorCode.FRAME_UNEXPECTED,
        "connection",
        `After a CONNECT only DATA is allowed, RFC 9114 §4.4: ${event.type}`,
      );
    }
    if (event.type !== "headers") return;
    let fields: Field[];
    try {
      fields = decodeFieldSection(event.payload, this.connection.options);
    } catch (error) {
      if (!(error instanceof FieldSectionTooLarge)) throw error;
      throw new Http3Error(ErrorCode.EXCESSIVE_LOAD, "stream", error.message);
    }
    const pseudo = fields.find(([name]) => name.startsWith(":"));
    if (pseudo === undefined) return;
    throw new Http3Error(
      ErrorCode.MESSAGE_ERROR,
      "stream",
      `Trailers must have no pseudo-header fields, RFC 9114 §4.3: ${pseudo[0].slice(0, 64)}`,
    );
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const timer = this.#stallTimer();
    try {
      await this.#openWriter().write(bytes);
    } finally {
      this.connection.options.clock.clearTimeout(timer);
    }
  }

  #openWriter(): WritableStreamDefaultWriter<Uint8Array> {
    return this.#writer ??= this.#stream.writable.getWriter();
  }

  #stallTimer(): TimerId {
    return this.connection.closeAfter(
      this.connection.options.stallTimeoutMs,
      "A response was not taken for too long",
    );
  }

  /** Answers for an error before a handler had the stream. */
  #fail(error: unknown): void {
    const isTooLarge = error instanceof FieldSectionTooLarge;
    if (error instanceof Http3Error) this.connection.reject(error);
    else if (!isTooLarge) return;
    if (this.connection.isClosed) return;
    const answer = this.#responded ? this.finish() : this.refuse(isTooLarge ? 431 : 400);
    answer.catch(() => {});
  }
}
