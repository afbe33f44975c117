import type { Http3Connection } from "../http3/connection.ts";
import type { RequestHandler } from "../http3/fetch.ts";
import { type Certificate, Http3Listener } from "../http3/listener.ts";
import type { WebTransportCloseInfo } from "./close_capsule.ts";
import type { WebTransportRequest } from "./connect.ts";
import { Demultiplexer, type WebTransportApp } from "./demultiplexer.ts";
import { WEBTRANSPORT_DEFAULTS, type WebTransportOptions } from "./options.ts";
import type { WebTransportSession } from "./session.ts";

/** Where a {@linkcode WebTransportServer} listens, what it serves, and every limit. */
export interface WebTransportServerOptions extends Partial<WebTransportOptions>, Certificate {
  /**
   * An IP address, or a name that resolves to one.
   * @default {"::"} every address, IPv4 too
   */
  readonly hostname?: string;
  /**
   * The UDP port; 0 takes a free one.
   * @default {4433}
   */
  readonly port?: number;
  /**
   * Answers plain HTTP/3 requests.
   * @default 404 for all
   */
  readonly onRequest?: RequestHandler;
  /**
   * Takes a client's wish for a session, and accepts or rejects it, now or later. If it throws, the
   * answer is 500.
   */
  readonly onWebTransport: (request: WebTransportRequest) => void | Promise<void>;
  /**
   * Takes what an app's handler threw, and errors of this machine. A client's errors end the
   * client, and are not told here.
   * @default ignores them
   */
  readonly onError?: (error: unknown) => void;
  /**
   * Whether an address is a proxy's: `maxConnectionsPerAddress` does not hold for it.
   * @default none is
   */
  readonly isProxy?: (address: string) => boolean;
}

/** A WebTransport and HTTP/3 server on one UDP port. */
export class WebTransportServer {
  readonly #options: WebTransportServerOptions;
  readonly #limits: WebTransportOptions;
  readonly #sessions = new Set<WebTransportSession>();
  #listener: Http3Listener | undefined;

  constructor(options: WebTransportServerOptions) {
    this.#options = options;
    this.#limits = { ...WEBTRANSPORT_DEFAULTS, ...options };
  }

  /**
   * Begins to listen.
   *
   * @throws {Error} If the port is taken, the certificate and the key are no pair, or it listens.
   */
  listen(): void {
    if (this.#listener !== undefined) throw new Error(`The server listens already: ${this.addr}`);
    const { hostname = "::", port = 4433, cert, key, onWebTransport } = this.#options;
    const app: WebTransportApp = {
      onWebTransport,
      onRequest: this.#options.onRequest ?? (() => new Response(null, { status: 404 })),
      onError: this.#options.onError ?? (() => {}),
      onSession: (session) => this.#track(session),
    };
    this.#listener = new Http3Listener({
      hostname,
      port,
      cert,
      key,
      limits: this.#limits,
      createHandlers: (connection: Http3Connection) =>
        new Demultiplexer(connection, this.#limits, app),
      onError: app.onError,
      isProxy: this.#options.isProxy ?? (() => false),
    });
  }

  /**
   * The address that it listens on.
   *
   * @throws {Error} If it does not listen.
   */
  get addr(): Deno.NetAddr {
    return this.#listening.addr;
  }

  /** The sessions that are open. */
  get sessions(): ReadonlySet<WebTransportSession> {
    return this.#sessions;
  }

  /** QUIC connections that are open, handshakes included, in count. */
  get connectionCount(): number {
    return this.#listener?.connections.size ?? 0;
  }

  /**
   * Uses another certificate for clients from now on; sessions that are open go on.
   *
   * @throws {Error} If the certificate and the key are no pair, which leaves the one before in use;
   * or if it does not listen.
   */
  reload(certificate: Certificate): void {
    this.#listening.reload(certificate);
  }

  /**
   * Closes every session with the code and reason, lets requests end, and stops listening: within
   * `closeTimeoutMs`, whatever the clients do. Deno frees the port when it collects what used it.
   */
  async close(info: Partial<WebTransportCloseInfo> = {}): Promise<void> {
    for (const session of this.#sessions) session.close(info);
    await this.#listener?.close();
  }

  get #listening(): Http3Listener {
    if (this.#listener === undefined) throw new Error("The server does not listen: call listen()");
    return this.#listener;
  }

  #track(session: WebTransportSession): void {
    this.#sessions.add(session);
    const forget = () => void this.#sessions.delete(session);
    session.closed.then(forget, forget);
  }
}
