import type { TimerId } from "../policy/clock.ts";
import type { NearPeer } from "../proxy/client_address.ts";
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from "../proxy/proxy_protocol.ts";
import type { Certificate } from "../tls/certificate.ts";
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
 * - A trusted peer without a header, or slower than {@linkcode HEADER_TIMEOUT_MS}, is closed. Other
 *   peers are served as who they are.
 * - A relay reads no more than it has written: who takes nothing holds up its own connection.
 * - When the server has ended a connection, its peer has {@linkcode LINGER_MS} to do the same.
 */
export class ProxyListener {
  readonly #options: ProxyListenerOptions;
  readonly #inner: TcpListener;
  readonly #listener: Deno.TcpListener;
  /** By the port within the process; bounded by `maxRelays`. */
  readonly #peers = new Map<number, NearPeer>();
  readonly #relays = new Set<Relay>();
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
    const relay = new Relay(conn, this.#options, this.#inner.port, this.#peers);
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

/** One connection, from its first byte to the end of both directions. */
class Relay {
  /** Resolves when both sockets are closed. */
  readonly ended: Promise<void>;
  readonly #outer: Deno.TcpConn;
  readonly #options: ProxyListenerOptions;
  readonly #port: number;
  readonly #peers: Map<number, NearPeer>;
  #inner: Deno.TcpConn | undefined;
  /** What stands in `peers` for it, and where. */
  #peer: { readonly port: number; readonly peer: NearPeer } | undefined;
  #timer: TimerId | undefined;
  #hurried = false;

  constructor(
    outer: Deno.TcpConn,
    options: ProxyListenerOptions,
    port: number,
    peers: Map<number, NearPeer>,
  ) {
    this.#outer = outer;
    this.#options = options;
    this.#port = port;
    this.#peers = peers;
    // A socket that breaks off ends its relay, which is no error of anybody here.
    this.ended = this.#run().catch(() => {}).then(() => this.#end());
  }

  /** Lets the peer have no time of its own once the server has ended. */
  hurry(): void {
    this.#hurried = true;
    if (this.#timer !== undefined) this.cut();
  }

  cut(): void {
    close(this.#outer);
    if (this.#inner !== undefined) close(this.#inner);
  }

  async #run(): Promise<void> {
    const outer = this.#outer;
    outer.setNoDelay();
    const { hostname } = outer.remoteAddr;
    let peer: NearPeer = { address: hostname };
    let rest: Uint8Array | undefined;
    if (this.#options.isProxy(hostname)) {
      this.#setTimer(HEADER_TIMEOUT_MS);
      const { source, after } = await readHeader(outer);
      this.#setTimer(undefined);
      peer = { address: source ?? hostname, named: source !== undefined };
      rest = after;
    }
    const inner = this.#inner = await Deno.connect({ hostname: LOOPBACK, port: this.#port });
    inner.setNoDelay();
    // It is there before the server can have read anything.
    const { port } = inner.localAddr;
    this.#peer = { port, peer };
    this.#peers.set(port, peer);
    await Promise.allSettled([this.#pass(outer, inner, rest), this.#pass(inner, outer)]);
  }

  /** Passes one direction on until its end, and the end. */
  async #pass(from: Deno.TcpConn, to: Deno.TcpConn, first?: Uint8Array): Promise<void> {
    try {
      if (first !== undefined) await writeAll(to, first);
      let buffer = new Uint8Array(IDLE_BYTES);
      for (let read; (read = await from.read(buffer)) !== null;) {
        await writeAll(to, buffer.subarray(0, read));
        // A pending read holds its buffer: a large one is for who has much to say.
        const size = read === buffer.length ? BUSY_BYTES : read < IDLE_BYTES ? IDLE_BYTES : 0;
        if (size > 0 && size !== buffer.length) buffer = new Uint8Array(size);
      }
      await to.closeWrite();
    } catch (error) {
      this.cut();
      throw error;
    }
    if (from !== this.#inner) return;
    if (this.#hurried) this.cut();
    else this.#setTimer(LINGER_MS);
  }

  /** Cuts both off after `ms`. */
  #setTimer(ms: number | undefined): void {
    const { clock } = this.#options;
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
    this.#timer = ms === undefined ? undefined : clock.setTimeout(() => {
      this.#timer = undefined;
      this.cut();
    }, ms);
  }

  #end(): void {
    this.#setTimer(undefined);
    this.cut();
    if (this.#peer === undefined) return;
    // The port may be another's already.
    const { port, peer } = this.#peer;
    if (this.#peers.get(port) === peer) this.#peers.delete(port);
  }
}

/** The address in the header of the PROXY protocol, and the bytes after it that have come. */
async function readHeader(
  conn: Deno.TcpConn,
): Promise<{ source: string | undefined; after: Uint8Array }> {
  let buffer = new Uint8Array(HEADER_BYTES);
  for (let filled = 0;;) {
    const read = await conn.read(buffer.subarray(filled));
    if (read === null) throw new Deno.errors.UnexpectedEof("The header broke off");
    filled += read;
    const header = readProxyHeader(buffer.subarray(0, filled));
    if (header !== undefined) {
      return { source: header.source, after: buffer.slice(header.length, filled) };
    }
    if (filled < buffer.length) continue;
    const larger = new Uint8Array(MAX_PROXY_HEADER_BYTES);
    larger.set(buffer);
    buffer = larger;
  }
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** Closes what may be closed already. */
function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It is.
  }
}

const LOOPBACK = "127.0.0.1";

/** A balancer sends it with the first packet: as long as a handshake of QUIC may take. */
const HEADER_TIMEOUT_MS = 5000;

/** A round trip of the far end and more, and nothing that who never ends could gather. */
const LINGER_MS = 2000;

/** As of `tcp_listener.ts`. */
const RETRY_MS = 500;
const TELL_INTERVAL_MS = 60_000;

/** Any header with the usual extensions, and the start of TLS. */
const HEADER_BYTES = 512;

/** What an idle direction holds: most messages fit. */
const IDLE_BYTES = 1024;

/** What the loopback takes at once, and few calls for a page. */
const BUSY_BYTES = 32_768;
