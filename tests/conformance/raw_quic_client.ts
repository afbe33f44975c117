import { decodeDatagram, encodeDatagram } from "../../src/http3/datagram.ts";
import { encodeFrame, type FrameEvent, FrameParser, FrameType } from "../../src/http3/frame.ts";
import { decodeFieldSection, encodeFieldSection, type Field } from "../../src/http3/qpack.ts";
import { encodeSettings, SettingId } from "../../src/http3/settings.ts";
import { StreamType } from "../../src/http3/unidirectional_stream.ts";
import { concat } from "../bytes.ts";

/** The SETTINGS of a WebTransport client. */
export const CLIENT_SETTINGS = encodeFrame(
  FrameType.SETTINGS,
  encodeSettings([
    [SettingId.H3_DATAGRAM, 1],
    [SettingId.ENABLE_WEBTRANSPORT, 1],
    [0x1f * 7 + 0x21, 42],
  ]),
);

/** How a QUIC connection was closed. */
export interface QuicEnd {
  readonly closeCode: number;
  readonly reason: string;
}

/**
 * A QUIC client that says `h3` and then whatever a test wants: any bytes on any streams, any
 * datagrams. Nothing is sent by itself.
 */
export class RawQuicClient {
  readonly conn: Deno.QuicConn;
  /** Resolves when either side has closed; rejects if QUIC failed. */
  readonly closed: Promise<QuicEnd>;
  readonly #endpoint: Deno.QuicEndpoint;
  /** All streams that were opened: one that is collected sends FIN. */
  readonly #streams: RawSend[] = [];

  private constructor(endpoint: Deno.QuicEndpoint, conn: Deno.QuicConn) {
    this.#endpoint = endpoint;
    this.conn = conn;
    this.closed = conn.closed;
    this.closed.catch(() => {});
  }

  static async connect(
    { addr, cert }: { addr: { port: number }; cert: string },
    options: Deno.QuicTransportOptions = {},
  ): Promise<RawQuicClient> {
    const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
    try {
      const conn = await Deno.connectQuic({
        hostname: "127.0.0.1",
        port: addr.port,
        serverName: "localhost",
        alpnProtocols: ["h3"],
        caCerts: [cert],
        endpoint,
        ...options,
      });
      return new RawQuicClient(endpoint, conn);
    } catch (error) {
      endpoint.close();
      throw error;
    }
  }

  /**
   * How QUIC was closed.
   *
   * @throws {Error} If it is still open after ten seconds.
   */
  async end(): Promise<QuicEnd> {
    const deadline = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => deadline.reject(new Error("QUIC is open after 10 s")),
      10_000,
    );
    try {
      return await Promise.race([this.closed, deadline.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes QUIC, as an honest client does, and frees the port. */
  async close(closeCode = 0x100): Promise<void> {
    this.conn.close({ closeCode, reason: "" });
    await this.closed.catch(() => {});
    this.#endpoint.close();
  }

  /** Opens a unidirectional stream and writes `bytes`; it stays open. */
  async openUnidirectional(bytes: Uint8Array): Promise<RawSend> {
    const writable = await this.conn.createUnidirectionalStream();
    const send = new RawSend(writable);
    this.#streams.push(send);
    if (bytes.length > 0) await send.write(bytes);
    return send;
  }

  /** Opens a bidirectional stream and writes `bytes`; it stays open. */
  async openBidirectional(bytes: Uint8Array): Promise<RawStream> {
    const stream = new RawStream(await this.conn.createBidirectionalStream());
    this.#streams.push(stream);
    if (bytes.length > 0) await stream.write(bytes);
    return stream;
  }

  /** Opens the control stream with `frames` on it. */
  openControl(...frames: readonly Uint8Array[]): Promise<RawSend> {
    return this.openUnidirectional(concat(Uint8Array.of(StreamType.CONTROL), ...frames));
  }

  /** Opens a request stream with a head, and what follows it. */
  request(fields: Iterable<Field>, ...frames: readonly Uint8Array[]): Promise<RawStream> {
    const head = encodeFrame(FrameType.HEADERS, encodeFieldSection(fields));
    return this.openBidirectional(concat(head, ...frames));
  }

  /** Sends the datagram `payload` of the session `sessionId`. */
  sendDatagram(sessionId: number, payload: Uint8Array): Promise<void> {
    return this.conn.sendDatagram(encodeDatagram(sessionId, payload));
  }

  /** The payload of the next datagram. */
  async readDatagram(): Promise<Uint8Array> {
    return decodeDatagram(await this.conn.readDatagram()).payload;
  }
}

/** The sending half of a stream. */
export class RawSend {
  readonly id: number;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(writable: Deno.QuicSendStream) {
    this.id = Number(writable.id);
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  /** Sends FIN. */
  end(): Promise<void> {
    return this.#writer.close();
  }

  /**
   * Resolves with the server's STOP_SENDING code. Writes `filler` until a write fails with it, which
   * is how Deno tells.
   */
  async stopped(filler: Uint8Array = Uint8Array.of(0)): Promise<number> {
    while (true) {
      try {
        await this.write(filler);
      } catch (error) {
        return codeOf(error, "sending stopped");
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** Both halves of a stream. */
export class RawStream extends RawSend {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #parser = new FrameParser({ kind: "request", maxFieldSectionBytes: 65_536 });

  constructor(stream: Deno.QuicBidirectionalStream) {
    super(stream.writable);
    this.#reader = stream.readable.getReader();
  }

  /** The next chunk, or `undefined` after FIN. */
  async read(): Promise<Uint8Array | undefined> {
    const { value } = await this.#reader.read();
    return value;
  }

  /** The first `length` bytes that are still to come; fewer if FIN comes before. */
  async readExactly(length: number): Promise<Uint8Array> {
    let bytes = new Uint8Array(0);
    while (bytes.length < length) {
      const chunk = await this.read();
      if (chunk === undefined) break;
      bytes = concat(bytes, chunk);
    }
    return bytes;
  }

  /** The next frame, or `undefined` after FIN. */
  async readFrame(): Promise<FrameEvent | undefined> {
    while (true) {
      const event = this.#parser.next();
      if (event !== undefined) return event;
      const chunk = await this.read();
      if (chunk === undefined) return undefined;
      this.#parser.push(chunk);
    }
  }

  /** The head of the response: its status, and all fields. */
  async readResponse(): Promise<{ status: number; fields: Map<string, string> }> {
    const frame = await this.readFrame();
    if (frame?.type !== "headers") throw new Error(`HEADERS were expected: ${frame?.type}`);
    const fields = new Map(decodeFieldSection(frame.payload, { maxFieldSectionBytes: 65_536 }));
    return { status: Number(fields.get(":status")), fields };
  }

  /** All DATA until FIN. */
  async readBody(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let frame; (frame = await this.readFrame()) !== undefined;) {
      if (frame.type === "data") parts.push(frame.chunk);
    }
    return concat(...parts);
  }

  /** Sends STOP_SENDING. */
  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

function codeOf(error: unknown, what: string): number {
  const match = error instanceof Error ? /by peer: error (\d+)$/.exec(error.message) : null;
  if (match === null || !(error as Error).message.startsWith(what)) throw error;
  return Number(match[1]);
}
