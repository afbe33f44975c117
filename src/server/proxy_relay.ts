import type { Clock, TimerId } from "../policy/clock.ts";
import type { NearPeer } from "../proxy/client_address.ts";
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from "../proxy/proxy_protocol.ts";

/** What a {@linkcode ProxyRelay} needs. */
export interface ProxyRelayOptions {
  /** Where it relays to, on the loopback. */
  readonly port: number;
  /** Takes who a connection is from, by the port from which it is relayed. */
  readonly peers: Map<number, NearPeer>;
  /** Whether a peer begins with a header of the PROXY protocol. */
  readonly isProxy: (address: string) => boolean;
  readonly clock: Clock;
}

/**
 * One connection, from its first byte to the end of both directions. It reads no more than it has
 * written: who takes nothing holds up this connection alone.
 */
export class ProxyRelay {
  /** Resolves when both sockets are closed. */
  readonly ended: Promise<void>;
  readonly #outer: Deno.TcpConn;
  readonly #options: ProxyRelayOptions;
  #inner: Deno.TcpConn | undefined;
  /** What stands in `peers` for it, and where. */
  #peer: { readonly port: number; readonly peer: NearPeer } | undefined;
  #timer: TimerId | undefined;
  #hurried = false;

  constructor(outer: Deno.TcpConn, options: ProxyRelayOptions) {
    this.#outer = outer;
    this.#options = options;
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
    const inner = this.#inner = await Deno.connect({
      hostname: LOOPBACK,
      port: this.#options.port,
    });
    inner.setNoDelay();
    // It is there before the server can have read anything.
    const { port } = inner.localAddr;
    this.#peer = { port, peer };
    this.#options.peers.set(port, peer);
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
    if (this.#options.peers.get(port) === peer) this.#options.peers.delete(port);
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
export function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It is.
  }
}

/** A balancer sends it with the first packet: as long as a handshake of QUIC may take. */
const HEADER_TIMEOUT_MS = 5000;

/** A round trip of the far end and more, and nothing that who never ends could gather. */
export const LINGER_MS = 2000;

/** Any header with the usual extensions, and the start of TLS. */
const HEADER_BYTES = 512;

/** What an idle direction holds: most messages fit. */
const IDLE_BYTES = 1024;

/** What the loopback takes at once, and few calls for a page. */
const BUSY_BYTES = 32_768;

/** Where the server within listens. */
export const LOOPBACK = "127.0.0.1";
