import type { TimerId } from "../policy/clock.ts";
import type { Http3Connection } from "./connection.ts";
import { ErrorCode, Http3Error } from "./error.ts";
import { FrameParser } from "./frame.ts";
import { QpackDecoderStreamParser, QpackEncoderStreamParser } from "./qpack_stream.ts";
import { resetCodeOf } from "./quic_error.ts";
import {
  StreamType,
  type UnidirectionalStreamHeader,
  UnidirectionalStreamParser,
} from "./unidirectional_stream.ts";

/** A WebTransport stream's header is no shorter: reading this much at first takes nothing else. */
const SHORTEST_HEADER_BYTES = 3;
/** The longest header: two varints of 8 bytes. */
const LONGEST_HEADER_BYTES = 16;
/** What a pending read holds while the stream is idle, which these are nearly always. */
const CHUNK_BYTES = 256;

/**
 * The unidirectional streams that one client opens: control and QPACK are read here to their end,
 * WebTransport's are handed on, others are told to stop.
 */
export class ClientStreams {
  readonly #connection: Http3Connection;
  /** The critical streams that are there: one of each type (RFC 9114 §6.2.1, RFC 9204 §4.2). */
  readonly #opened = new Set<number>();

  constructor(connection: Http3Connection) {
    this.#connection = connection;
  }

  /** Takes a stream that the client has opened, perhaps without a byte so far. */
  open(stream: Deno.QuicReceiveStream): void {
    this.#serve(stream).catch((error) => {
      if (error instanceof Http3Error) this.#connection.reject(error);
      // All other errors are QUIC's: the stream was reset, or all is over.
    });
  }

  async #serve(stream: Deno.QuicReceiveStream): Promise<void> {
    const reader = stream.getReader({ mode: "byob" });
    const parser = new UnidirectionalStreamParser();
    const header = await this.#readHeader(reader, parser);
    if (header === undefined) return;
    const { type, sessionId } = header;
    if (sessionId !== undefined) {
      reader.releaseLock();
      this.#connection.handlers.onUnidirectionalStream(sessionId, stream);
      return;
    }
    switch (type) {
      case StreamType.CONTROL:
      case StreamType.QPACK_ENCODER:
      case StreamType.QPACK_DECODER:
        if (this.#opened.has(type)) {
          throw creationError("A client opens one control and one QPACK stream of each kind", type);
        }
        this.#opened.add(type);
        return await this.#readCritical(reader, type, parser.rest());
      case StreamType.PUSH:
        throw creationError("A client must not push, RFC 9114 §6.2.2", type);
      default:
        // Unknown types are no error, RFC 9114 §6.2; how many there are counts as streams do.
        reader.cancel().catch(() => {});
    }
  }

  /** Reads the header byte by byte where needed, so that a WebTransport stream is left at its start. */
  async #readHeader(
    reader: ReadableStreamBYOBReader,
    parser: UnidirectionalStreamParser,
  ): Promise<UnidirectionalStreamHeader | undefined> {
    let timer: TimerId | undefined;
    try {
      let size = SHORTEST_HEADER_BYTES;
      for (let length = 0; length < LONGEST_HEADER_BYTES;) {
        // A stream without a byte is no error (Chromium's decoder stream stays one) and costs this
        // read alone; how many there can be is QUIC's stream limit. The first byte starts the timer.
        const { value, done } = await reader.read(new Uint8Array(size));
        if (done) return undefined;
        parser.push(value);
        const header = parser.next();
        if (header !== undefined) return header;
        length += value.length;
        size = 1;
        timer ??= this.#connection.closeAfter(
          this.#connection.options.headTimeoutMs,
          "A stream's type took too long",
        );
      }
      return undefined;
    } finally {
      if (timer !== undefined) this.#connection.options.clock.clearTimeout(timer);
    }
  }

  /** Reads a stream that must stay open as long as QUIC does. */
  async #readCritical(
    reader: ReadableStreamBYOBReader,
    type: number,
    first: Uint8Array,
  ): Promise<void> {
    const receive = this.#receiver(type);
    receive(first);
    while (!this.#connection.isClosed) {
      const chunk = await this.#readChunk(reader, type);
      if (!this.#connection.spendOverhead(chunk.length)) return;
      receive(chunk);
    }
  }

  async #readChunk(reader: ReadableStreamBYOBReader, type: number): Promise<Uint8Array> {
    try {
      const { value, done } = await reader.read(new Uint8Array(CHUNK_BYTES));
      if (!done) return value;
    } catch (error) {
      if (resetCodeOf(error) === undefined) throw error;
    }
    throw new Http3Error(
      ErrorCode.CLOSED_CRITICAL_STREAM,
      "connection",
      `A critical stream must stay open, RFC 9114 §6.2.1: type 0x${type.toString(16)}`,
    );
  }

  #receiver(type: number): (chunk: Uint8Array) => void {
    if (type === StreamType.CONTROL) {
      const parser = new FrameParser({ kind: "control", maxFieldSectionBytes: 0 });
      return (chunk) => this.#receiveControl(parser, chunk);
    }
    const parser = type === StreamType.QPACK_ENCODER
      ? new QpackEncoderStreamParser()
      : new QpackDecoderStreamParser();
    return (chunk) => parser.push(chunk);
  }

  #receiveControl(parser: FrameParser, chunk: Uint8Array): void {
    parser.push(chunk);
    for (let event = parser.next(); event !== undefined; event = parser.next()) {
      if (event.type === "settings") this.#connection.receiveSettings(event.settings);
      else if (event.type === "goaway") this.#connection.handlers.onGoaway();
    }
  }
}

function creationError(what: string, type: number): Http3Error {
  return new Http3Error(
    ErrorCode.STREAM_CREATION_ERROR,
    "connection",
    `${what}: type 0x${type.toString(16)}`,
  );
}
