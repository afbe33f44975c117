import { AddressCounter } from "./address_counter.ts";
import { Http3Connection, type Http3Handlers } from "./connection.ts";
import { ErrorCode } from "./error.ts";
import type { Http3Options } from "./options.ts";

/** A certificate chain and its private key, both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Where and how {@linkcode Http3Listener} listens. */
export interface Http3ListenOptions extends Certificate {
  /** An IP address, or a name that resolves to one. */
  readonly hostname: string;
  /** A UDP port; 0 takes a free one. */
  readonly port: number;
  readonly limits: Http3Options;
  /** Makes what handles one client's streams, requests and datagrams. */
  createHandlers(connection: Http3Connection): Http3Handlers;
  /** Takes an error that is nobody's fault but this machine's: accepting stops then. */
  onError(error: unknown): void;
  /** Whether many are behind an address, so that `maxConnectionsPerAddress` does not hold for it. */
  isProxy(address: string): boolean;
}

/**
 * A UDP port that speaks HTTP/3: it accepts QUIC connections within the caps and serves each.
 *
 * - Over `maxConnections` or `maxPendingHandshakes` a connection is refused before its handshake;
 *   over `maxConnectionsPerAddress` right after it is accepted, since only that tells the address.
 * - {@linkcode Http3Listener.reload} gives new connections another certificate; old ones go on.
 */
export class Http3Listener {
  /** The connections that are open, those in their handshake included. */
  readonly connections = new Set<Http3Connection>();
  /** The address that it listens on, the port that it was given included. */
  readonly addr: Deno.NetAddr;
  readonly #options: Http3ListenOptions;
  /** Let go after the close: QUIC frees the port when the runtime has collected the endpoint. */
  #endpoint: Deno.QuicEndpoint | undefined;
  readonly #addresses: AddressCounter;
  /** One for each certificate so far: a listener that is stopped or collected ends accepting. */
  #listeners: Deno.QuicListener[] = [];
  #pendingHandshakes = 0;
  #closing: Promise<void> | undefined;

  /** @throws {Error} If the port is taken, or the certificate and the key are no pair. */
  constructor(options: Http3ListenOptions) {
    this.#options = options;
    this.#addresses = new AddressCounter(options.limits.maxConnectionsPerAddress);
    this.#endpoint = new Deno.QuicEndpoint({ hostname: options.hostname, port: options.port });
    this.addr = this.#endpoint.addr;
    try {
      this.#accept(this.reload(options)).catch((error) => {
        if (this.#closing === undefined) options.onError(error);
      });
    } catch (error) {
      this.#endpoint.close();
      throw error;
    }
  }

  /**
   * Uses another certificate for connections from now on.
   *
   * @throws {Error} If the certificate and the key are no pair, and the one before stays in use; or
   * if it is closed.
   */
  reload({ cert, key }: Certificate): Deno.QuicListener {
    if (this.#endpoint === undefined) throw new Error(`It is closed: port ${this.addr.port}`);
    const { limits } = this.#options;
    const listener = this.#endpoint.listen({
      cert,
      key,
      alpnProtocols: ["h3"],
      maxIdleTimeout: limits.peerTimeoutMs,
      maxConcurrentBidirectionalStreams: limits.maxConcurrentStreams,
      maxConcurrentUnidirectionalStreams: limits.maxConcurrentStreams,
      ...(limits.keepAliveIntervalMs > 0 && { keepAliveInterval: limits.keepAliveIntervalMs }),
    });
    this.#listeners.push(listener);
    return listener;
  }

  /**
   * Refuses new connections and shuts each down when its requests have ended; resolves when all are
   * closed or `closeTimeoutMs` is over. Deno frees the port later, when it collects the endpoint.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { clock, closeTimeoutMs } = this.#options.limits;
    const all = [...this.connections];
    const timer = clock.setTimeout(() => {
      for (const connection of all) connection.close(ErrorCode.NO_ERROR);
    }, closeTimeoutMs);
    for (const connection of all) connection.shutdown();
    await Promise.all(all.map((connection) => connection.closed));
    clock.clearTimeout(timer);
    this.#endpoint?.close({ closeCode: ErrorCode.NO_ERROR, reason: "" });
    this.#endpoint = undefined;
    this.#listeners = [];
  }

  async #accept(listener: Deno.QuicListener): Promise<void> {
    while (true) {
      const incoming = await listener.incoming();
      try {
        this.#admit(incoming);
      } catch {
        // The client gave up before it was accepted.
      }
    }
  }

  #admit(incoming: Deno.QuicIncoming): void {
    const { limits } = this.#options;
    if (
      this.#closing !== undefined || this.connections.size >= limits.maxConnections ||
      this.#pendingHandshakes >= limits.maxPendingHandshakes
    ) {
      incoming.refuse();
      return;
    }
    // Asking the incoming for its address would consume it. Accepted this way it is there at once,
    // and the handshake has a timer of ours; nothing is read before the handshake has ended, since
    // early data can be a replay.
    const quic = incoming.accept({ zeroRtt: true });
    const address = quic.remoteAddr.hostname;
    const counted = !this.#options.isProxy(address);
    const key = counted ? this.#addresses.enter(address) : undefined;
    if (counted && key === undefined) {
      quic.close({ closeCode: ErrorCode.EXCESSIVE_LOAD, reason: "Too many from one address" });
      return;
    }
    const connection = new Http3Connection(quic, limits, this.#options.createHandlers);
    this.connections.add(connection);
    connection.closed.then(() => {
      this.connections.delete(connection);
      if (key !== undefined) this.#addresses.leave(key);
    });
    this.#pendingHandshakes++;
    connection.start().finally(() => this.#pendingHandshakes--);
  }
}
