import type { Clock, TimerId } from "../policy/clock.ts";
import type { NearPeer } from "../proxy/client_address.ts";
import type { Certificate } from "../tls/certificate.ts";
import { setTcpOptions } from "./tcp_options.ts";

/** Answers one request, and is told whose it is and through which socket it came. */
export type TcpHandler = (
  request: Request,
  via: Pick<Deno.ServeHandlerInfo<Deno.NetAddr>, "remoteAddr" | "completed"> & {
    readonly listening: Listening;
    /** Whose connection it is, where that is not the other end of the socket. */
    readonly peer?: NearPeer;
  },
) => Response | Promise<Response>;

/** Where a {@linkcode TcpListener} listens, and what it does there. */
export interface TcpListenerOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Absent: plain HTTP. */
  readonly certificate?: Certificate;
  readonly handler: TcpHandler;
  /** Told what the handler threw (the peer gets 500), and when no peer can be taken. */
  readonly onError: (error: unknown) => void;
  /** How long a peer may take nothing of what waits for it, in milliseconds; 0: for good. */
  readonly userTimeoutMs: number;
  /** Told why that, and what TLS needs, cannot be set. */
  readonly onUnset?: (reason: string) => void;
  readonly clock: Clock;
}

/** One listening socket, with the certificate that it was opened with. */
export interface Listening {
  /** No new certificate has taken its place. */
  readonly current: boolean;
  /** Transports that came through it and are open; whoever opens them counts. */
  transports: number;
}

/**
 * Listens for HTTP/1.1 and HTTP/2 over TCP, with TLS if there is a certificate.
 *
 * The certificate of a listening socket is fixed. A new one gets a socket of its own on the same
 * port, and until the old socket is closed the system gives new peers to either. Deno closes the
 * WebSockets of a server that it shuts down, so the old socket stays until its owner has moved
 * them and calls {@linkcode TcpListener.closeReplaced}.
 *
 * Deno ends a server that cannot accept a connection, for which a stranger who opens connections
 * until the process may have no more files is enough. Its peers are served all the same, so they
 * stay, and another socket takes its place. One without transports has only peers that wait, and is
 * closed with them, which gives the files back.
 */
export class TcpListener {
  readonly #options: TcpListenerOptions;
  readonly #replaced: Server[] = [];
  /** Sockets that are closed and have responses running. */
  readonly #ending = new Set<Promise<void>>();
  /** Sockets that have stopped accepting; each has a transport, or goes with the next attempt. */
  #failed: Server[] = [];
  #current: Server;
  #retry: TimerId | undefined;
  #toldAtMs = -Infinity;
  #closing: Promise<void> | undefined;

  /**
   * @throws {Deno.errors.AddrInUse} If the port is in use, with what to do about it.
   */
  constructor(options: TcpListenerOptions) {
    this.#options = options;
    // Sockets that share a port would share it with another Slipstream too: this one shares not.
    if (options.port !== 0) probe(options);
    this.#current = this.#listen(options.port, options.certificate);
  }

  /** The port that is listened on. */
  get port(): number {
    return this.#current.http.addr.port;
  }

  /** Serves `certificate` to new peers; those that are there stay as they are. */
  replace(certificate: Certificate): void {
    const next = this.#listen(this.port, certificate);
    this.#stopRetrying();
    for (const server of [...this.#failed.splice(0), this.#current]) {
      server.current = false;
      this.#replaced.push(server);
    }
    this.#current = next;
  }

  /** Closes the sockets of earlier certificates; running responses end by themselves. */
  closeReplaced(): void {
    for (const server of this.#replaced.splice(0)) this.#end(server);
  }

  /**
   * Takes no more peers, and resolves when the last response has ended; idempotent. Deno cuts none
   * off, so a caller that cannot wait for an endless one waits no longer.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#stopRetrying();
    this.closeReplaced();
    for (const server of this.#failed.splice(0)) this.#end(server);
    this.#end(this.#current);
    await Promise.all(this.#ending);
  }

  #listen(port: number, certificate?: Certificate): Server {
    const { hostname, handler, onError, userTimeoutMs, onUnset } = this.#options;
    const listening = { current: true, transports: 0 };
    const http = Deno.serve({
      hostname,
      port,
      reusePort: true,
      ...(certificate && { cert: certificate.certPem, key: certificate.keyPem }),
      onListen() {},
      onError(error) {
        onError(error);
        return new Response("Internal error", { status: 500 });
      },
    }, (request, info) =>
      handler(request, {
        remoteAddr: info.remoteAddr,
        listening,
        // Deno makes the promise for who asks.
        get completed() {
          return info.completed;
        },
      }));
    const unset = setTcpOptions(http.addr.port, userTimeoutMs);
    if (unset !== undefined) onUnset?.(unset);
    const server: Server = Object.assign(listening, { http, certificate });
    http.finished.catch((error) => this.#fail(server, error));
    return server;
  }

  #fail(server: Server, error: unknown): void {
    if (server !== this.#current || this.#closing !== undefined) return;
    const { clock, onError } = this.#options;
    if (clock.now() - this.#toldAtMs >= TELL_INTERVAL_MS) {
      this.#toldAtMs = clock.now();
      const cause = error instanceof Error ? error.message : String(error);
      onError(
        new Error(`TCP port ${this.port} is closed for a moment: ${cause}`, { cause: error }),
      );
    }
    this.#retry = clock.setTimeout(() => this.#listenAgain(server), RETRY_MS);
  }

  #listenAgain(failed: Server): void {
    this.#retry = undefined;
    try {
      this.#current = this.#listen(this.port, failed.certificate);
    } catch (error) {
      return this.#fail(failed, error);
    }
    this.#failed.push(failed);
    this.#failed = this.#failed.filter((server) => {
      if (server.transports > 0) return true;
      this.#end(server);
      return false;
    });
  }

  #stopRetrying(): void {
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #end({ http }: Server): void {
    const ended = http.shutdown().catch(this.#options.onError);
    this.#ending.add(ended);
    ended.finally(() => this.#ending.delete(ended));
  }
}

interface Server extends Listening {
  current: boolean;
  readonly http: Deno.HttpServer<Deno.NetAddr>;
  readonly certificate: Certificate | undefined;
}

/** Long enough not to be a load while there are no files, short enough for a client to try again. */
const RETRY_MS = 500;

/** A stranger who keeps the files taken must not fill the log as well. */
const TELL_INTERVAL_MS = 60_000;

function probe({ hostname, port }: TcpListenerOptions): void {
  try {
    Deno.listen({ hostname, port }).close();
  } catch (error) {
    throw explainListenError(error, "TCP", hostname, port);
  }
}

/** Says what to do about a socket that could not be opened. */
export function explainListenError(
  error: unknown,
  protocol: "TCP" | "UDP",
  hostname: string,
  port: number,
): unknown {
  if (error instanceof Deno.errors.AddrInUse) {
    return new Deno.errors.AddrInUse(
      `${protocol} port ${port} of ${hostname} is in use: ` +
        "end the program that has it, or choose another port (0 takes a free one)",
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new Deno.errors.PermissionDenied(
      `${protocol} port ${port} of ${hostname} needs more rights: choose one above 1023`,
    );
  }
  return error;
}
