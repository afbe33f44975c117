import type { Http3Connection, Http3End, Http3Handlers } from "../http3/connection.ts";
import { Http3Error } from "../http3/error.ts";
import { type RequestHandler, serveRequest } from "../http3/fetch.ts";
import type { RequestStream } from "../http3/request_stream.ts";
import { WEBTRANSPORT_PROTOCOLS, WebTransportRequest } from "./connect.ts";
import { EarlyBuffer, type IncomingStream } from "./early_buffer.ts";
import { WebTransportErrorCode } from "./error_code.ts";
import type { WebTransportOptions } from "./options.ts";
import { stopStream } from "./receive_stream.ts";
import type { WebTransportSession } from "./session.ts";

/** What an app does with requests and sessions. */
export interface WebTransportApp {
  onRequest: RequestHandler;
  onWebTransport(request: WebTransportRequest): void | Promise<void>;
  onError(error: unknown): void;
  /** A session begins. */
  onSession(session: WebTransportSession): void;
}

/**
 * Brings what arrives on one QUIC connection to its session.
 *
 * There is one session at a time: without flow control, which is off (draft-ietf-webtrans-http3
 * §5.1), no more are allowed. A second CONNECT is answered with 429.
 */
export class Demultiplexer implements Http3Handlers {
  readonly #connection: Http3Connection;
  readonly #options: WebTransportOptions;
  readonly #app: WebTransportApp;
  readonly #early: EarlyBuffer;
  /** The session that is wanted or there. */
  #sessionId: number | undefined;
  #session: WebTransportSession | undefined;
  /** The newest CONNECT: what comes for it or an older one, and not for the session, is too late. */
  #newestId = -1;

  constructor(connection: Http3Connection, options: WebTransportOptions, app: WebTransportApp) {
    this.#connection = connection;
    this.#options = options;
    this.#app = app;
    this.#early = new EarlyBuffer(options);
  }

  onRequest(stream: RequestStream): void {
    const { protocol } = stream.head;
    const answer = protocol === undefined
      ? serveRequest(stream, this.#app.onRequest, this.#app.onError)
      : WEBTRANSPORT_PROTOCOLS.has(protocol)
      ? this.#connect(stream)
      : stream.refuse(501); // RFC 9220 §3
    // What fails here is a write to a client that is gone.
    answer.catch(() => {});
  }

  onBidirectionalStream(sessionId: number, stream: Deno.QuicBidirectionalStream): void {
    if (this.#session?.id === sessionId) this.#session.deliverBidirectional(stream);
    else this.#receiveEarly(sessionId, stream);
  }

  onUnidirectionalStream(sessionId: number, stream: Deno.QuicReceiveStream): void {
    if (this.#session?.id === sessionId) this.#session.deliverUnidirectional(stream);
    else this.#receiveEarly(sessionId, stream);
  }

  onDatagram(streamId: number, payload: Uint8Array): void {
    if (this.#session?.id === streamId) {
      try {
        this.#session.datagrams.deliver(payload);
      } catch (error) {
        this.#app.onError(error);
      }
    } else if (this.#mayStillBegin(streamId)) {
      this.#early.addDatagram(streamId, payload);
    }
  }

  onGoaway(): void {
    this.#session?.receiveGoaway();
  }

  onClosed(end: Http3End): void {
    this.#early.clear();
    this.#session?.receiveEnd(end);
  }

  async #connect(stream: RequestStream): Promise<void> {
    // Its stream may be faster than the control stream; nothing is certain before SETTINGS.
    const settings = await this.#connection.settings;
    if (this.#sessionId !== undefined) return await stream.refuse(429);
    const { scheme, authority, path } = stream.head;
    const url = URL.parse(`${scheme}://${authority}${path}`);
    if (url === null) return await stream.refuse(400);
    this.#sessionId = stream.id;
    this.#newestId = Math.max(this.#newestId, stream.id);
    this.#early.hold();
    const request = new WebTransportRequest(stream, url, {
      options: this.#options,
      settings,
      outcome: {
        accepted: (session) => this.#begin(session),
        ended: () => {
          this.#sessionId = undefined;
          this.#early.clear();
        },
      },
    });
    try {
      await this.#app.onWebTransport(request);
    } catch (error) {
      this.#app.onError(error);
      request.reject(500);
    }
  }

  #begin(session: WebTransportSession): void {
    this.#session = session;
    const early = this.#early.take(session.id);
    for (const stream of early.streams) {
      if (stream instanceof ReadableStream) session.deliverUnidirectional(stream);
      else session.deliverBidirectional(stream);
    }
    for (const payload of early.datagrams) session.datagrams.deliver(payload);
    this.#app.onSession(session);
  }

  #receiveEarly(sessionId: number, stream: IncomingStream): void {
    if (!this.#mayStillBegin(sessionId)) {
      this.#refuse(stream, WebTransportErrorCode.SESSION_GONE, "The session has ended");
    } else if (!this.#early.addStream(sessionId, stream)) {
      this.#refuse(
        stream,
        WebTransportErrorCode.BUFFERED_STREAM_REJECTED,
        `Streams before their session must not exceed ${this.#options.maxEarlyStreams}`,
      );
    }
  }

  #mayStillBegin(sessionId: number): boolean {
    return sessionId === this.#sessionId || sessionId > this.#newestId;
  }

  /** The code goes out only if the client does it too often: a stream cannot be reset. */
  #refuse(stream: IncomingStream, code: number, what: string): void {
    stopStream(stream);
    this.#connection.reject(new Http3Error(code, "stream", what));
  }
}
