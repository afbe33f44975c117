/** What `GET /rt/info` answers, as JSON: all that a client must know before it connects. */
export interface ServerInfo {
  /** The protocol, and the prefix of its WebSocket subprotocols. */
  readonly protocol: "slipstream.v1";
  /** What the server speaks, best first; the others would fail. */
  readonly transports: readonly ("webtransport" | "websocket" | "sse")[];
  /** Absent where the server has no WebTransport. */
  readonly webtransport?: {
    /** Absolute: the page may come from another port than QUIC is served on. */
    readonly url: string;
    /**
     * SHA-256 of each certificate in use or about to be, base64, for `serverCertificateHashes`;
     * absent with a certificate that browsers trust by its issuer.
     */
    readonly certificateHashes?: readonly string[];
  };
  /** The largest message that the server takes and sends, in bytes. */
  readonly maxMessageBytes: number;
  /** How dead peers are found; `intervalMs` 0: not by pings. */
  readonly heartbeat: { readonly intervalMs: number; readonly misses: number };
  /** Over how long clients spread their return after an unannounced loss, in milliseconds. */
  readonly reconnectSpreadMs: number;
  /**
   * Shown as `?pass=` to any entrance within seconds, it lets the client in without waiting for the
   * rate again; absent where the asker's origin would be refused.
   */
  readonly pass?: string;
}
