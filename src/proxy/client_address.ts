import type { ClientAddress } from "../transport/transport.ts";
import { forwardedHops, type Hop, xForwardedForHops } from "./forwarded.ts";
import type { ProxyOptions } from "./options.ts";
import { toPlainAddress, TrustedAddresses } from "./trusted_addresses.ts";

/** The other end of a socket, or whom a balancer named before the first byte of TLS. */
export interface NearPeer {
  /** IP address, without a port. */
  readonly address: string;
  /**
   * Whether the balancer named it by the PROXY protocol; `undefined` where that is not spoken. One
   * that names nobody passes on what the client writes: its headers mean nothing.
   */
  readonly named?: boolean | undefined;
}

/** Who sent a request. */
export interface Sender extends ClientAddress {
  /** How the client reached the proxy that named it; `undefined` if none did, or it does not say. */
  readonly scheme: "http" | "https" | undefined;
  /** Whether it is a program on this machine that no proxy stands before. */
  readonly local: boolean;
}

/**
 * Says who sent a request: the peer itself, or, if that is a trusted proxy, whom its header names.
 * The header is read from the right, where the nearest proxy wrote: the client is the first that is
 * not trusted itself. Where a proxy names nobody, the client is that proxy.
 */
export class ClientAddresses {
  readonly #trusted: TrustedAddresses;
  readonly #header: ProxyOptions["header"];
  readonly #headerOverHttp3: boolean;

  /** @throws {RangeError} If a trusted address is none. */
  constructor(options: ProxyOptions = { trusted: [] }) {
    this.#trusted = new TrustedAddresses(options.trusted);
    this.#header = options.header;
    this.#headerOverHttp3 = options.headerOverHttp3 ?? false;
  }

  /** Whether a peer is a proxy, behind which are many. */
  isProxy(address: string): boolean {
    return this.#trusted.has(address);
  }

  /** Who sent the request with these headers. */
  of(peer: NearPeer, headers: Headers, over: "tcp" | "http3"): Sender {
    const near = toPlainAddress(peer.address) ?? peer.address;
    if (!this.#trusted.has(near)) {
      const local = isLoopback(near) && !saysProxied(headers);
      return { address: near, exempt: false, scheme: undefined, local };
    }
    let address: string | undefined;
    let scheme: Sender["scheme"];
    let hops = 0;
    for (const hop of this.#hops(peer, headers, over)) {
      scheme = hop.scheme ?? scheme;
      address = hop.address ?? address;
      if (hop.address === undefined || !this.#trusted.has(hop.address)) break;
      if (++hops === MAX_HOPS) break;
    }
    const exempt = address === undefined && peer.named !== true;
    return { address: address ?? near, exempt, scheme, local: false };
  }

  #hops({ named }: NearPeer, headers: Headers, over: "tcp" | "http3"): Iterable<Hop> {
    if (this.#header === undefined || named === false) return [];
    if (over === "http3" && !this.#headerOverHttp3) return [];
    const text = headers.get(this.#header) ?? "";
    return this.#header === "forwarded"
      ? forwardedHops(text)
      : xForwardedForHops(text, headers.get("x-forwarded-proto") ?? "");
  }
}

/** More proxies than anybody has in a row. */
const MAX_HOPS = 16;

/** A proxy on this machine that nobody has configured here says so, if it is none of TCP alone. */
function saysProxied(headers: Headers): boolean {
  return headers.has("forwarded") || headers.has("x-forwarded-for") || headers.has("via");
}

/** RFC 1122 §3.2.1.3, RFC 4291 §2.5.3. */
function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
