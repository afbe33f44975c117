import type { TimerId } from "../policy/clock.ts";
import type { NearPeer } from "../proxy/client_address.ts";
import type { Certificate } from "../tls/certificate.ts";
import { close, LINGER_MS, LOOPBACK, ProxyRelay } from "./proxy_relay.ts";
import {
  explainListenError,
  type TcpHandler,
  TcpListener,
  type TcpListenerOptions,
} from "./tcp_listener.ts";
import { setTcpOptions } from "./tcp_options.ts";

/** Where a {@linkcode ProxyListener} listens, and whom it believes. */
export interface ProxyListenerOptions extends TcpListenerOptions {
  /** Whether a peer begins with a header of the PROXY protocol. */
  readonly isProxy: (address: string) => boolean;
  /** Connections at once, in count: each takes three open files. More are closed. */
  readonly maxRelays: number;
}

/**
 * Linux gives the loopback 28,232 ports of its own (`net.ipv4.ip_local_port_range`), of which each
 * connection takes one.
 */
export const MAX_RELAYS = 28_000;

/**
 * A TCP port on which balancers begin each connection with a header of the PROXY protocol.
 *
 * Deno's server lets nobody read before TLS. So this listens in its place, reads the header, and
 * relays every byte after it to a {@linkcode TcpListener} on a port of the loopback; the port from
 * which it does so says whose a request is. A program of this machine that connects to that port by
 * itself gets 403.
 *
 * - A trusted peer without a header, or slower with it than 5 s, is closed. Other
 *   peers are served as who they are.
 * - When the server has ended a connection, its peer has {@linkcode LINGER_MS} to do the same.
 */
export class ProxyListener {
  readonly #options: ProxyListenerOptions;
  readonly #inner: TcpListener;
  readonly #listener: Deno.TcpListener;
  /** By the port within the process; bounded by `maxRelays`. */
  readonly #peers = new Map<number, NearPeer>();
  readonly #relays = new Set<ProxyRelay>();
  #retry: TimerId | undefined;
  #toldAtMs = -Infinity;
  #closing: Promise<void> | undefined;

  /** @throws {Deno.errors.AddrInUse} If the port is in use, with what to do about it. */
  constructor(options: ProxyListenerOptions) {
    this.#options = options;
    const { hostname, port, userTimeoutMs } = options;
    try {
      this.#listener = Deno.listen({ hostname, port });
    } catch (error) {
      throw explainListenError(error, "TCP", hostname, port);
    }
    try {
      this.#inner = new TcpListener({
        ...options,
        hostname: LOOPBACK,
        port: 0,
        handler: (request, via) => this.#handle(request, via),
      });
    } catch (error) {
      this.#listener.close();
      throw error;
    }
    // Where that is not possible the inner one has said so.
    setTcpOptions(this.port, userTimeoutMs);
    this.#accept();
  }

  /** The port that is listened on. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** As of {@linkcode TcpListener.replace}. */
  replace(certificate: Certificate): void {
    this.#inner.replace(certificate);
  }

  /** As of {@linkcode TcpListener.closeReplaced}. */
  closeReplaced(): void {
    this.#inner.closeReplaced();
  }

  /** As of {@linkcode TcpListener.close}; then what is left of the relays is cut off. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { clock } = this.#options;
    if (this.#retry !== undefined) clock.clearTimeout(this.#retry);
    this.#listener.close();
    for (const relay of this.#relays) relay.hurry();
    await this.#inner.close();
    // What the server wrote last is still on its way.
    const timer = clock.setTimeout(() => {
      for (const relay of this.#relays) relay.cut();
    }, LINGER_MS);
    await Promise.all(Array.from(this.#relays, (relay) => relay.ended));
    clock.clearTimeout(timer);
  }

  #handle(request: Request, via: Parameters<TcpHandler>[1]): Response | Promise<Response> {
    const peer = this.#peers.get(via.remoteAddr.port);
    if (peer === undefined) return new Response("This port is the server's own\n", { status: 403 });
    return this.#options.handler(request, new ProxiedVia(via, peer));
  }

  #accept(): void {
    this.#listener.accept().then((conn) => {
      this.#accept();
      this.#take(conn);
    }, (error) => {
      if (this.#closing !== undefined) return;
      const { clock, onError } = this.#options;
      if (clock.now() - this.#toldAtMs >= TELL_INTERVAL_MS) {
        this.#toldAtMs = clock.now();
        onError(new Error(`TCP port ${this.port} takes nobody for a moment`, { cause: error }));
      }
      // There are no more files: those that end give some back.
      this.#retry = clock.setTimeout(() => this.#accept(), RETRY_MS);
    });
  }

  #take(conn: Deno.TcpConn): void {
    if (this.#closing !== undefined || this.#relays.size >= this.#options.maxRelays) {
      return close(conn);
    }
    const relay = new ProxyRelay(conn, {
      port: this.#inner.port,
      peers: this.#peers,
      isProxy: this.#options.isProxy,
      clock: this.#options.clock,
    });
    this.#relays.add(relay);
    relay.ended.then(() => this.#relays.delete(relay));
  }
}

class ProxiedVia {
  readonly peer: NearPeer;
  readonly #via: Parameters<TcpHandler>[1];

  constructor(via: Parameters<TcpHandler>[1], peer: NearPeer) {
    this.#via = via;
    this.peer = peer;
  }

  get remoteAddr() {
    return this.#via.remoteAddr;
  }

  get listening() {
    return this.#via.listening;
  }

  get completed() {
    return this.#via.completed;
  }
}

/** As of `tcp_listener.ts`. */
const RETRY_MS = 500;
const TELL_INTERVAL_MS = 60_000;
