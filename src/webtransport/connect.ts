import type { TimerId } from "../policy/clock.ts";
import type { RequestStream } from "../http3/request_stream.ts";
import type { WebTransportOptions } from "./options.ts";
import { WebTransportSession } from "./session.ts";
import {
  AVAILABLE_PROTOCOLS,
  parseAvailableProtocols,
  PROTOCOL,
  serializeProtocol,
} from "./subprotocol.ts";

/**
 * The values of `:protocol` that ask for WebTransport: up to draft 14 of draft-ietf-webtrans-http3,
 * and from 15 on.
 */
export const WEBTRANSPORT_PROTOCOLS: ReadonlySet<string> = new Set([
  "webtransport",
  "webtransport-h3",
]);

/** How a session is accepted. */
export interface WebTransportAcceptOptions {
  /** One of `protocols`: the subprotocol that is used. Nothing is said about it if absent. */
  readonly protocol?: string;
  /** More fields of the response. */
  readonly headers?: HeadersInit;
}

/** What becomes of a {@linkcode WebTransportRequest}, for the one who routes to the session. */
export interface WebTransportRequestOutcome {
  accepted(session: WebTransportSession): void;
  /** It was answered otherwise, timed out, or QUIC ended. */
  ended(): void;
}

/**
 * A client's wish for a session: an extended CONNECT (RFC 9220) that waits for its answer. Nothing
 * but a bounded buffer exists for it yet.
 *
 * Exactly one of {@linkcode WebTransportRequest.accept} and {@linkcode WebTransportRequest.reject}
 * answers it; after `answerTimeoutMs` it is answered with 503.
 */
export class WebTransportRequest {
  readonly method = "CONNECT";
  readonly url: URL;
  /** With its query, as it was sent. */
  readonly path: string;
  readonly authority: string;
  /** The Origin field; browsers always send one. */
  readonly origin: string | undefined;
  readonly headers: Headers;
  /** The subprotocols that the client offers, in its order of preference. */
  readonly protocols: readonly string[];
  readonly remoteAddr: Deno.NetAddr;
  readonly #stream: RequestStream;
  readonly #options: WebTransportOptions;
  readonly #settings: ReadonlyMap<number, number>;
  readonly #outcome: WebTransportRequestOutcome;
  readonly #timer: TimerId;
  #answered = false;

  /**
   * @param url The target, from the head of `stream`.
   * @param settings The client's SETTINGS.
   */
  constructor(
    stream: RequestStream,
    url: URL,
    init: {
      options: WebTransportOptions;
      settings: ReadonlyMap<number, number>;
      outcome: WebTransportRequestOutcome;
    },
  ) {
    const { head } = stream;
    this.url = url;
    this.path = head.path!;
    this.authority = head.authority!;
    this.headers = head.headers;
    this.origin = head.headers.get("origin") ?? undefined;
    this.protocols = parseAvailableProtocols(head.headers.get(AVAILABLE_PROTOCOLS));
    this.remoteAddr = stream.connection.quic.remoteAddr;
    this.#stream = stream;
    this.#options = init.options;
    this.#settings = init.settings;
    this.#outcome = init.outcome;
    const { clock, answerTimeoutMs } = init.options;
    this.#timer = clock.setTimeout(() => this.reject(503), answerTimeoutMs);
    stream.onAbort = () => this.#end();
  }

  /** Whether it is answered, or there is nobody to answer any more. */
  get answered(): boolean {
    return this.#answered;
  }

  /**
   * Accepts the session with 200; resolves when the response is on its way.
   *
   * @throws {TypeError} If `protocol` is none of `protocols`; the request is still to be answered.
   * @throws {WebTransportError} If it is answered already, or the client is gone.
   */
  async accept(options: WebTransportAcceptOptions = {}): Promise<WebTransportSession> {
    const { protocol } = options;
    if (protocol !== undefined && !this.protocols.includes(protocol)) {
      throw new TypeError(
        `The subprotocol must be one that the client offers: ${JSON.stringify(protocol)}`,
      );
    }
    const headers = new Headers(options.headers);
    if (protocol !== undefined) headers.set(PROTOCOL, serializeProtocol(protocol));
    if (this.#answered) throw alreadyAnswered();
    this.#answered = true;
    this.#options.clock.clearTimeout(this.#timer);
    try {
      await this.#stream.respond(200, headers);
      if (this.#stream.connection.isClosed) throw alreadyAnswered();
    } catch (error) {
      this.#outcome.ended();
      this.#stream.finish().catch(() => {});
      throw error;
    }
    const session = new WebTransportSession(this.#stream, this.#options, {
      url: this.url,
      protocol,
      settings: this.#settings,
    });
    this.#stream.onAbort = undefined;
    this.#outcome.accepted(session);
    return session;
  }

  /**
   * Rejects the session. Browsers hide the status from the page: to tell it why, accept and close
   * with a code and reason. Does nothing once it is answered.
   *
   * @param status From 400 to 599: 403 for an origin, 404 for a path, 429 or 503 for load.
   * @throws {RangeError} If `status` is not from 400 to 599.
   */
  reject(status: number, headers?: HeadersInit): void {
    if (!(Number.isInteger(status) && status >= 400 && status <= 599)) {
      throw new RangeError(`A rejection's status must be from 400 to 599: ${status}`);
    }
    if (this.#answered) return;
    this.#end();
    // Browsers do not come back on this QUIC connection, nor does Chromium close it.
    this.#stream.refuse(status, headers, this.#options.closeTimeoutMs).catch(() => {});
  }

  #end(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#options.clock.clearTimeout(this.#timer);
    this.#outcome.ended();
  }
}

function alreadyAnswered(): WebTransportError {
  return new WebTransportError("The request is answered, or its client is gone", {
    source: "session",
  });
}
