/** The proxies and balancers in front of the node, and how they say whose request it is. */
export interface ProxyOptions {
  /**
   * Their addresses: IPv4 and IPv6, each alone or as a range (`"10.0.0.5"`, `"2001:db8::/32"`). What
   * any other peer says of where a request comes from is not looked at. A request that comes
   * straight from one of these and names nobody counts against no limit by address: the proxy must
   * limit.
   */
  readonly trusted: readonly string[];
  /**
   * The header that proxies of HTTP add the client's address to: `"forwarded"` (RFC 7239) or
   * `"x-forwarded-for"`, with `X-Forwarded-Proto`. They must pass `Host` on.
   * @default none is read
   */
  readonly header?: "forwarded" | "x-forwarded-for";
  /**
   * Whether the header counts over HTTP/3 and WebTransport too. Only where the proxy speaks HTTP/3
   * to the node: through one that passes UDP on, the header is whatever the client writes.
   * @default false
   */
  readonly headerOverHttp3?: boolean;
  /**
   * Whether trusted peers begin every connection over TCP with a header of the PROXY protocol,
   * version 1 or 2, as a balancer does that passes TLS on; one that does not is closed. Others are
   * served as who they are. Every byte goes through a relay in this process then: each connection
   * takes three open files, and CPU (README has the figures). Over UDP there is no such header.
   * @default false
   */
  readonly proxyProtocol?: boolean;
}
