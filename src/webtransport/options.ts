import { HTTP3_DEFAULTS, type Http3Options } from "../http3/options.ts";

/** The limits of WebTransport sessions, beside those of the HTTP/3 below them. */
export interface WebTransportOptions extends Http3Options {
  /**
   * Streams kept for a session that is not accepted yet, in count; more are told to stop.
   * @default 8
   */
  readonly maxEarlyStreams: number;
  /**
   * Datagrams kept for a session that is not accepted yet, in count; more are dropped.
   * @default 16
   */
  readonly maxEarlyDatagrams: number;
  /**
   * How long streams and datagrams are kept for a session whose CONNECT has not come, in
   * milliseconds; then they are told to stop, or dropped.
   * @default 2000
   */
  readonly earlyTimeoutMs: number;
  /**
   * How long a CONNECT may wait for the app to accept or reject it, in milliseconds; then it is
   * answered with 503.
   * @default 30000
   */
  readonly answerTimeoutMs: number;
  /**
   * Datagrams of one session that are sent and not yet taken by QUIC, in count; more are dropped.
   * At their largest 128 hold 180 KB.
   * @default 128
   */
  readonly maxOutstandingDatagrams: number;
  /**
   * Datagrams of one session that wait for the app to read them, in count; beyond that the oldest
   * is dropped.
   * @default 128
   */
  readonly maxIncomingDatagrams: number;
}

/** The limits where nothing is said. */
export const WEBTRANSPORT_DEFAULTS: WebTransportOptions = {
  ...HTTP3_DEFAULTS,
  maxEarlyStreams: 8,
  maxEarlyDatagrams: 16,
  earlyTimeoutMs: 2000,
  answerTimeoutMs: 30_000,
  maxOutstandingDatagrams: 128,
  maxIncomingDatagrams: 128,
};
