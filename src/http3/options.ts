import { type Clock, systemClock } from "../policy/clock.ts";

/**
 * The limits of an HTTP/3 endpoint. Each protects the process from one peer, or all peers from
 * each other; a peer over a limit ends as its text says.
 */
export interface Http3Options {
  /**
   * QUIC connections at once, handshakes included, in count; more are refused before a handshake.
   * A gibibyte holds about 9,000 with a WebTransport session each.
   * @default 10000
   */
  readonly maxConnections: number;
  /**
   * QUIC connections at once from one IPv4 address or IPv6 /64, in count; more are closed with
   * H3_EXCESSIVE_LOAD. High enough for a campus behind one address, and five such addresses do
   * not fill the server.
   * @default 2000
   */
  readonly maxConnectionsPerAddress: number;
  /**
   * Handshakes under way at once, in count; more are refused. A half-open one holds 50 KB, and
   * its source address may be forged.
   * @default 1000
   */
  readonly maxPendingHandshakes: number;
  /**
   * From the first packet to the end of the handshake, in milliseconds; then it is closed.
   * @default 5000
   */
  readonly handshakeTimeoutMs: number;
  /**
   * From the handshake to the client's SETTINGS, in milliseconds; then H3_EXCESSIVE_LOAD.
   * @default 5000
   */
  readonly settingsTimeoutMs: number;
  /**
   * From a stream's first byte to the end of its request head or stream header, in milliseconds;
   * then H3_EXCESSIVE_LOAD.
   * @default 5000
   */
  readonly headTimeoutMs: number;
  /**
   * How long a request's body may bring nothing while it is awaited, or a response go nowhere, in
   * milliseconds; then H3_EXCESSIVE_LOAD, since a stream cannot be reset.
   * @default 30000
   */
  readonly stallTimeoutMs: number;
  /**
   * How long QUIC is kept without a request or session, in milliseconds; then it is closed with
   * H3_NO_ERROR. Browsers never close it themselves.
   * @default 15000
   */
  readonly idleTimeoutMs: number;
  /**
   * Silence after which QUIC asks the peer for a sign of life, in milliseconds; 0 never. Without
   * it Chromium gives a session up after 30 s, and the default leaves time for a lost packet to be
   * sent again. A heartbeat of at most four fifths of it comes first, and QUIC then has no need to.
   * @default 26000
   */
  readonly keepAliveIntervalMs: number;
  /**
   * Silence after which QUIC takes the peer for gone, in milliseconds: longer than a keep-alive.
   * @default 30000
   */
  readonly peerTimeoutMs: number;
  /**
   * How long a close waits for the peer to take the last bytes, in milliseconds.
   * @default 2000
   */
  readonly closeTimeoutMs: number;
  /**
   * Streams of each kind that a client may have open at once, in count; QUIC enforces it. Low,
   * because each pins 1.25 MB if the app does not read it.
   * @default 16
   */
  readonly maxConcurrentStreams: number;
  /**
   * Size of a request's field section by the rule of RFC 9114 §4.2.2, in bytes; more is answered
   * with 431. Told to the client in SETTINGS.
   * @default 16384
   */
  readonly maxFieldSectionBytes: number;
  /**
   * Streams that a client may open within a second, in count; then H3_EXCESSIVE_LOAD.
   * @default 1000
   */
  readonly maxStreamsPerSecond: number;
  /**
   * Datagrams that a client may send within a second, in count; then H3_EXCESSIVE_LOAD. Ten
   * thousand cost a twelfth of a core.
   * @default 10000
   */
  readonly maxDatagramsPerSecond: number;
  /**
   * Malformed, cancelled and homeless streams within a minute, in count; then the QUIC connection
   * is closed with the code of the last. One stream's error is that stream's, but a stream cannot
   * be reset here; a page that cancels its requests stays far below.
   * @default 100
   */
  readonly maxStreamErrorsPerMinute: number;
  /**
   * Bytes within a minute that carry nothing (unknown frames and capsules, chatter on the control
   * and QPACK streams), in bytes; then H3_EXCESSIVE_LOAD.
   * @default 65536
   */
  readonly maxOverheadBytesPerMinute: number;
  /** Time; a test injects its own. */
  readonly clock: Clock;
}

/** The limits where nothing is said. */
export const HTTP3_DEFAULTS: Http3Options = {
  maxConnections: 10_000,
  maxConnectionsPerAddress: 2000,
  maxPendingHandshakes: 1000,
  handshakeTimeoutMs: 5000,
  settingsTimeoutMs: 5000,
  headTimeoutMs: 5000,
  stallTimeoutMs: 30_000,
  idleTimeoutMs: 15_000,
  keepAliveIntervalMs: 26_000,
  peerTimeoutMs: 30_000,
  closeTimeoutMs: 2000,
  maxConcurrentStreams: 16,
  maxFieldSectionBytes: 16_384,
  maxStreamsPerSecond: 1000,
  maxDatagramsPerSecond: 10_000,
  maxStreamErrorsPerMinute: 100,
  maxOverheadBytesPerMinute: 65_536,
  clock: systemClock,
};
