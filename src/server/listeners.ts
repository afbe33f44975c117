import type { ResolvedOptions } from "../resolve_options.ts";
import type { Certificate } from "../tls/certificate.ts";
import type { WebTransportRequest } from "../webtransport/connect.ts";
import { WebTransportServer } from "../webtransport/server.ts";
import type { Via } from "./router.ts";
import { ProxyListener } from "./proxy_listener.ts";
import { explainListenError, TcpListener } from "./tcp_listener.ts";

/** Who answers what the listeners bring. */
export interface ListenerHandlers {
  /** Over TCP and HTTP/3 alike. */
  readonly onRequest: (request: Request, via: Via) => Response | Promise<Response>;
  readonly onWebTransport: (request: WebTransportRequest) => void | Promise<void>;
  readonly onError: (error: unknown) => void;
  /** Whether many are behind an address, so that no limit by address holds for it. */
  readonly isProxy: (address: string) => boolean;
  /** Connections that begin with the PROXY protocol at once, in count. */
  readonly maxRelays: number;
  /** How long a peer over TCP may take nothing of what waits for it, in milliseconds; 0: for good. */
  readonly userTimeoutMs: number;
  /** Told why that, and what TLS needs, cannot be set. */
  readonly onUnset: (reason: string) => void;
}

/** The sockets of a server: UDP and TCP on one port number, and in development mode plain HTTP. */
export class Listeners {
  /** The port of TCP and UDP. */
  readonly port: number;
  readonly developmentPort: number | undefined;
  /** The IP address that UDP is bound to. */
  readonly udpAddress: string;
  readonly #quic: WebTransportServer;
  readonly #tcp: TcpListener | ProxyListener;
  readonly #development: TcpListener | undefined;

  private constructor(
    quic: WebTransportServer,
    tcp: TcpListener | ProxyListener,
    development: TcpListener | undefined,
  ) {
    this.#quic = quic;
    this.#tcp = tcp;
    this.#development = development;
    this.port = tcp.port;
    this.udpAddress = quic.addr.hostname;
    this.developmentPort = development?.port;
  }

  /**
   * Opens all of them, or none. It does not wait for anything before it returns.
   *
   * @throws {Deno.errors.AddrInUse} If a port is in use, with what to do about it.
   */
  static open(
    options: ResolvedOptions,
    certificate: Certificate,
    handlers: ListenerHandlers,
  ): Listeners {
    const { hostname, port, developmentPort, clock } = options;
    const { onRequest: handler, onError, onUnset, isProxy, maxRelays, userTimeoutMs } = handlers;
    // Plain HTTP comes first: of the three it is the one that can be closed at once.
    const development = developmentPort === false ? undefined : new TcpListener({
      hostname: "localhost",
      port: developmentPort,
      handler,
      onError,
      userTimeoutMs,
      clock,
    });
    try {
      for (let attempt = 1;; attempt++) {
        const quic = openQuic(options, certificate, handlers);
        try {
          const tcpOptions = {
            hostname,
            port: quic.addr.port,
            certificate,
            handler,
            onError,
            onUnset,
            userTimeoutMs,
            clock,
          };
          const tcp = options.proxies.proxyProtocol
            ? new ProxyListener({ ...tcpOptions, isProxy, maxRelays })
            : new TcpListener(tcpOptions);
          return new Listeners(quic, tcp, development);
        } catch (error) {
          quic.close().catch(onError);
          // A port that is free for UDP may be taken for TCP: the system gives another.
          if (port !== 0 || attempt === MAX_ATTEMPTS) throw error;
        }
      }
    } catch (error) {
      development?.close();
      throw error;
    }
  }

  /** Serves `certificate` to new peers; who is there stays. */
  replaceCertificate(certificate: Certificate): void {
    this.#quic.reload({ cert: certificate.certPem, key: certificate.keyPem });
    this.#tcp.replace(certificate);
  }

  /** Closes the TCP sockets of earlier certificates. */
  closeReplaced(): void {
    this.#tcp.closeReplaced();
  }

  /** Closes all sockets once running responses have ended. */
  async close(code: number, reason: string): Promise<void> {
    await Promise.all([
      this.#quic.close({ closeCode: code, reason }),
      this.#tcp.close(),
      this.#development?.close(),
    ]);
  }
}

/** With more than half of all ports taken there are worse troubles than this one. */
const MAX_ATTEMPTS = 5;

function openQuic(
  { hostname, port, webtransport, clock }: ResolvedOptions,
  { certPem, keyPem }: Certificate,
  { onRequest, onWebTransport, onError, isProxy }: ListenerHandlers,
): WebTransportServer {
  const quic = new WebTransportServer({
    ...webtransport,
    clock,
    hostname,
    port,
    cert: certPem,
    key: keyPem,
    onRequest,
    onWebTransport,
    onError,
    isProxy,
  });
  try {
    quic.listen();
  } catch (error) {
    throw explainListenError(error, "UDP", hostname, port);
  }
  return quic;
}
