import type { TimerId } from "../policy/clock.ts";
import { CapsuleParser, encodeCapsule } from "../http3/capsule.ts";
import type { Http3Connection, Http3End } from "../http3/connection.ts";
import { ErrorCode, Http3Error } from "../http3/error.ts";
import type { RequestStream } from "../http3/request_stream.ts";
import { SettingId } from "../http3/settings.ts";
import {
  CapsuleType,
  decodeCloseCapsule,
  encodeCloseCapsule,
  MAX_CLOSE_BYTES,
  type WebTransportCloseInfo,
} from "./close_capsule.ts";
import { WebTransportDatagrams } from "./datagrams.ts";
import { IncomingQueue } from "./incoming_queue.ts";
import type { WebTransportOptions } from "./options.ts";
import { receiveStream, stopStream } from "./receive_stream.ts";
import { encodeBidirectionalHeader, encodeUnidirectionalHeader } from "./stream_header.ts";

/** A bidirectional stream of a session. */
export interface WebTransportBidirectionalStream {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
}

/** How a stream is opened. */
export interface WebTransportStreamOptions {
  /** Streams with a higher one send first. @default {0} */
  readonly sendOrder?: number;
  /**
   * Wait while the client allows no more streams, instead of a RangeError.
   * @default {false}
   */
  readonly waitUntilAvailable?: boolean;
}

/**
 * Takes the streams that the client opens, as QUIC gives them: they fail with QUIC's errors, and
 * their halves do not keep each other referenced. Must not throw.
 */
export interface WebTransportStreamReceiver {
  onBidirectionalStream(stream: Deno.QuicBidirectionalStream): void;
  onUnidirectionalStream(stream: Deno.QuicReceiveStream): void;
}

/**
 * A WebTransport session that the server has accepted, in W3C spelling.
 *
 * - The readables are byte streams: a default read holds 16 KiB while it waits, so read idle ones
 *   with a BYOB reader and a small buffer. They fail with a WebTransportError. The writables are
 *   QUIC's own; pass what they throw through `toWebTransportError()`.
 * - Keep a stream that is in use referenced: a writable that is collected sends FIN. The two halves
 *   of a bidirectional one keep each other.
 * - A stream can end by FIN alone, never by a reset: `abort()` looks like `close()` to the peer. Say
 *   in your own framing where a message ends.
 * - When the session has ended, QUIC is closed.
 */
export class WebTransportSession {
  /** The Session ID: that of the CONNECT stream. */
  readonly id: number;
  readonly url: URL;
  /** The Origin field of the CONNECT request. */
  readonly origin: string | undefined;
  /** The fields of the CONNECT request. */
  readonly headers: Headers;
  /** The subprotocol that was chosen. */
  readonly protocol: string | undefined;
  /** Resolved: a session exists once its response is sent. */
  readonly ready: Promise<void> = Promise.resolve();
  /** Resolves when the client asks to end soon. */
  readonly draining: Promise<void>;
  /**
   * Resolves when either side has closed, with the first cause; a FIN without a capsule is code 0.
   * Rejects with a WebTransportError if the client vanished or broke the protocol. Never unhandled.
   */
  readonly closed: Promise<WebTransportCloseInfo>;
  readonly datagrams: WebTransportDatagrams;
  readonly #connection: Http3Connection;
  readonly #stream: RequestStream;
  readonly #closeTimeoutMs: number;
  readonly #bidirectional: IncomingQueue<
    Deno.QuicBidirectionalStream,
    WebTransportBidirectionalStream
  >;
  readonly #unidirectional: IncomingQueue<
    Deno.QuicReceiveStream,
    ReadableStream<Uint8Array<ArrayBuffer>>
  >;
  #receiver: WebTransportStreamReceiver | undefined;
  readonly #bidirectionalHeader: Uint8Array;
  readonly #unidirectionalHeader: Uint8Array;
  readonly #capsules = new CapsuleParser({
    maxCapsuleBytes: MAX_CLOSE_BYTES,
    known: KNOWN_CAPSULES,
  });
  readonly #resolveDraining: () => void;
  readonly #settled = Promise.withResolvers<WebTransportCloseInfo>();
  /** The first cause of the end; nothing is opened or sent after it. */
  #cause: WebTransportCloseInfo | WebTransportError | undefined;
  #closeReceived = false;
  #closeTimer: TimerId | undefined;
  #remoteAddr: Deno.NetAddr;

  /** Made by `WebTransportRequest.accept()`, after the response. */
  constructor(
    stream: RequestStream,
    options: WebTransportOptions,
    init: {
      url: URL;
      protocol: string | undefined;
      settings: ReadonlyMap<number, number>;
    },
  ) {
    this.id = stream.id;
    this.url = init.url;
    this.headers = stream.head.headers;
    this.origin = this.headers.get("origin") ?? undefined;
    this.protocol = init.protocol;
    this.#stream = stream;
    this.#connection = stream.connection;
    this.#closeTimeoutMs = options.closeTimeoutMs;
    this.#remoteAddr = this.#connection.quic.remoteAddr;
    // QUIC's stream limit is the real bound: a stream that waits still counts as open.
    this.#bidirectional = new IncomingQueue(options.maxConcurrentStreams, bidirectionalStream);
    this.#unidirectional = new IncomingQueue(
      options.maxConcurrentStreams,
      (stream) => receiveStream(stream),
    );
    this.#bidirectionalHeader = encodeBidirectionalHeader(this.id);
    this.#unidirectionalHeader = encodeUnidirectionalHeader(this.id);
    this.datagrams = new WebTransportDatagrams(this.#connection.quic, {
      sessionId: this.id,
      accepted: init.settings.get(SettingId.H3_DATAGRAM) === 1 ||
        init.settings.get(SettingId.H3_DATAGRAM_DRAFT04) === 1,
      maxOutstanding: options.maxOutstandingDatagrams,
      maxIncoming: options.maxIncomingDatagrams,
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.draining = promise;
    this.#resolveDraining = resolve;
    this.closed = this.#settled.promise;
    this.closed.catch(() => {});
    this.#readCapsules().catch((error) => this.#onReadError(error));
  }

  /** The client's address at this moment; it changes when the client moves to another network. */
  get remoteAddr(): Deno.NetAddr {
    if (this.#cause === undefined) this.#remoteAddr = this.#connection.quic.remoteAddr;
    return this.#remoteAddr;
  }

  /** The bidirectional streams that the client opens. */
  get incomingBidirectionalStreams(): ReadableStream<WebTransportBidirectionalStream> {
    return this.#bidirectional.readable;
  }

  /** The unidirectional streams that the client opens. */
  get incomingUnidirectionalStreams(): ReadableStream<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return this.#unidirectional.readable;
  }

  /**
   * Hands every stream that the client opens to `receiver`, at once, those first that wait to be
   * read: the cheap way, for an idle session has a fifth less on its heap. Nothing reaches the
   * readables of incoming streams any more.
   */
  receiveStreams(receiver: WebTransportStreamReceiver): void {
    this.#receiver = receiver;
    for (const stream of this.#bidirectional.drain()) receiver.onBidirectionalStream(stream);
    for (const stream of this.#unidirectional.drain()) receiver.onUnidirectionalStream(stream);
  }

  /**
   * Opens a bidirectional stream.
   *
   * @throws {RangeError} If the client allows no more streams at this moment.
   * @throws {WebTransportError} If the session has ended.
   */
  async createBidirectionalStream(
    options: WebTransportStreamOptions = {},
  ): Promise<WebTransportBidirectionalStream> {
    this.#checkOpen();
    const stream = await this.#connection.quic.createBidirectionalStream(options);
    this.#checkOpen();
    writeHeader(stream.writable, this.#bidirectionalHeader);
    return bidirectionalStream(stream);
  }

  /**
   * Opens a unidirectional stream.
   *
   * @throws {RangeError} If the client allows no more streams at this moment.
   * @throws {WebTransportError} If the session has ended.
   */
  async createUnidirectionalStream(
    options: WebTransportStreamOptions = {},
  ): Promise<WritableStream<Uint8Array>> {
    this.#checkOpen();
    const writable = await this.#connection.quic.createUnidirectionalStream(options);
    this.#checkOpen();
    writeHeader(writable, this.#unidirectionalHeader);
    return writable;
  }

  /** Asks the client to end soon; the session goes on until one side closes it. */
  drain(): void {
    if (this.#cause !== undefined) return;
    const capsule = encodeCapsule(CapsuleType.DRAIN_WEBTRANSPORT_SESSION, new Uint8Array(0));
    // A write fails only when the session ends, of which `closed` tells.
    this.#stream.writeData(capsule).catch(() => {});
  }

  /**
   * Closes the session: the client gets the code and reason, and QUIC is closed when it has taken
   * them or `closeTimeoutMs` is over. Only the first call counts.
   *
   * @throws {RangeError} If `closeCode` is not an integer from 0 to 2^32 - 1.
   */
  close({ closeCode = 0, reason = "" }: Partial<WebTransportCloseInfo> = {}): void {
    const capsule = encodeCloseCapsule({ closeCode, reason });
    if (!this.#begin({ closeCode, reason })) return;
    // The client's FIN is the sign that the capsule has arrived: QUIC must not close before it.
    this.#stream.writeData(capsule).then(() => this.#stream.end()).catch(() => {});
  }

  /** The client has opened a bidirectional stream for this session. */
  deliverBidirectional(stream: Deno.QuicBidirectionalStream): void {
    if (this.#receiver !== undefined) return this.#receiver.onBidirectionalStream(stream);
    const displaced = this.#bidirectional.push(stream);
    if (displaced !== undefined) stopStream(displaced);
  }

  /** The client has opened a unidirectional stream for this session. */
  deliverUnidirectional(stream: Deno.QuicReceiveStream): void {
    if (this.#receiver !== undefined) return this.#receiver.onUnidirectionalStream(stream);
    const displaced = this.#unidirectional.push(stream);
    if (displaced !== undefined) stopStream(displaced);
  }

  /** The client has sent GOAWAY. */
  receiveGoaway(): void {
    this.#resolveDraining();
  }

  /** QUIC has ended. */
  receiveEnd(end: Http3End): void {
    // A client that closes QUIC without an error means the session; Firefox often does so before
    // its close capsule can be read.
    const cause = end.by === "peer" && end.closeCode === ErrorCode.NO_ERROR
      ? { closeCode: 0, reason: "" }
      : sessionError(end.reason || `QUIC was closed: ${end.by}, 0x${end.closeCode.toString(16)}`);
    this.#begin(cause);
    this.#settle();
  }

  #checkOpen(): void {
    if (this.#cause !== undefined) throw sessionError("The session has ended");
  }

  async #readCapsules(): Promise<void> {
    while (true) {
      const chunk = await this.#stream.readData();
      if (chunk === undefined) break;
      if (this.#closeReceived) {
        throw new Http3Error(
          ErrorCode.MESSAGE_ERROR,
          "stream",
          "Nothing may follow a CLOSE capsule, draft-ietf-webtrans-http3 §6",
        );
      }
      if (!this.#connection.spendOverhead(chunk.length)) return;
      this.#capsules.push(chunk);
      for (let next = this.#capsules.next(); next !== undefined; next = this.#capsules.next()) {
        this.#receiveCapsule(next.type, next.payload);
      }
    }
    this.#capsules.end();
    this.#begin({ closeCode: 0, reason: "" });
    this.#settle();
    // A client that closed itself may not have taken this side's FIN yet: it has until the timer.
    if (!this.#closeReceived) this.#finishAfter(LINGER_MS);
  }

  #receiveCapsule(type: number, payload: Uint8Array): void {
    if (this.#closeReceived) {
      throw new Http3Error(
        ErrorCode.MESSAGE_ERROR,
        "stream",
        "Nothing may follow a CLOSE capsule, draft-ietf-webtrans-http3 §6",
      );
    }
    if (type === CapsuleType.DRAIN_WEBTRANSPORT_SESSION) return this.#resolveDraining();
    this.#closeReceived = true;
    if (this.#begin(decodeCloseCapsule(payload))) {
      this.#settle();
      this.#stream.end().catch(() => {});
    }
  }

  /** Records the first cause of the end, and gives the rest its time; false if there was one. */
  #begin(cause: WebTransportCloseInfo | WebTransportError): boolean {
    if (this.#cause !== undefined) return false;
    this.#cause = cause;
    const error = cause instanceof WebTransportError ? cause : undefined;
    this.datagrams.end(error);
    this.#receiver = undefined;
    for (const queue of [this.#bidirectional, this.#unidirectional]) {
      if (error === undefined) queue.close();
      else queue.fail(error);
    }
    this.#finishAfter(this.#closeTimeoutMs);
    return true;
  }

  #finishAfter(ms: number): void {
    const { clock } = this.#connection.options;
    if (this.#closeTimer !== undefined) clock.clearTimeout(this.#closeTimer);
    this.#closeTimer = clock.setTimeout(() => this.#finish(), ms);
  }

  /** Ends the CONNECT stream, and QUIC with it. */
  #finish(): void {
    this.#settle();
    // Shutting down first: leaving then closes at once, or after the requests still under way.
    this.#connection.shutdown();
    this.#stream.finish().catch(() => {});
  }

  #settle(): void {
    const cause = this.#cause!;
    if (cause instanceof WebTransportError) this.#settled.reject(cause);
    else this.#settled.resolve(cause);
    if (this.#connection.isClosed && this.#closeTimer !== undefined) {
      this.#connection.options.clock.clearTimeout(this.#closeTimer);
    }
  }

  #onReadError(error: unknown): void {
    // Any other error is the end of QUIC, which receiveEnd() tells.
    if (!(error instanceof Http3Error)) return;
    this.#begin(sessionError(error.message));
    if (error.code === ErrorCode.REQUEST_CANCELLED) return this.#finish();
    // The CONNECT stream cannot be reset, and nothing but QUIC's code can tell the client why.
    this.#connection.close(error.code, error.message);
  }
}

/**
 * From the client's FIN, the sign that it has the close capsule, to the end of QUIC. Chromium forgets
 * the code and reason if QUIC ends within the few milliseconds that it takes to tell the page.
 */
const LINGER_MS = 250;

const KNOWN_CAPSULES: ReadonlySet<number> = new Set(Object.values(CapsuleType));

/** The readable of each writable: a half that is in use keeps the other from being collected. */
const companions = new WeakMap<object, object>();

function bidirectionalStream(
  { readable: source, writable }: Deno.QuicBidirectionalStream,
): WebTransportBidirectionalStream {
  const readable = receiveStream(source, writable);
  companions.set(writable, readable);
  return { readable, writable };
}

function writeHeader(writable: WritableStream<Uint8Array>, header: Uint8Array): void {
  const writer = writable.getWriter();
  // What fails here fails for the app's first write too. Its writes queue up behind this one.
  writer.write(header).catch(() => {});
  writer.closed.catch(() => {});
  writer.releaseLock();
}

function sessionError(message: string): WebTransportError {
  return new WebTransportError(message, { source: "session" });
}
