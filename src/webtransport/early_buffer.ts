import type { TimerId } from "../policy/clock.ts";
import type { WebTransportOptions } from "./options.ts";
import { stopStream } from "./receive_stream.ts";

/** A client's stream: the unidirectional ones have no writable. */
export type IncomingStream = Deno.QuicBidirectionalStream | Deno.QuicReceiveStream;

/**
 * Streams and datagrams that came before their session was accepted (draft-ietf-webtrans-http3
 * §4.6), in their order, for one QUIC connection.
 *
 * Both are bounded by count: a stream over the limit is told to stop (the substitute for
 * WEBTRANSPORT_BUFFERED_STREAM_REJECTED), a datagram is dropped. So is all of it when no CONNECT
 * has come within `earlyTimeoutMs`.
 */
export class EarlyBuffer {
  readonly #options: WebTransportOptions;
  #streams: { sessionId: number; stream: IncomingStream }[] = [];
  #datagrams: { sessionId: number; payload: Uint8Array }[] = [];
  #timer: TimerId | undefined;

  constructor(options: WebTransportOptions) {
    this.#options = options;
  }

  /** Keeps a stream; false if there is no room. */
  addStream(sessionId: number, stream: IncomingStream): boolean {
    if (this.#streams.length >= this.#options.maxEarlyStreams) return false;
    this.#streams.push({ sessionId, stream });
    this.#startTimer();
    return true;
  }

  /** Keeps a datagram; false if there is no room. */
  addDatagram(sessionId: number, payload: Uint8Array): boolean {
    if (this.#datagrams.length >= this.#options.maxEarlyDatagrams) return false;
    this.#datagrams.push({ sessionId, payload });
    this.#startTimer();
    return true;
  }

  /** The CONNECT of a session has come: from now on what it may wait for is the app's answer. */
  hold(): void {
    this.#stopTimer();
  }

  /** Hands over what came for `sessionId`, and gives up what came for others. */
  take(sessionId: number): { streams: IncomingStream[]; datagrams: Uint8Array[] } {
    const streams = this.#streams.filter((early) => early.sessionId === sessionId);
    const datagrams = this.#datagrams.filter((early) => early.sessionId === sessionId);
    this.#streams = this.#streams.filter((early) => early.sessionId !== sessionId);
    this.clear();
    return {
      streams: streams.map((early) => early.stream),
      datagrams: datagrams.map((early) => early.payload),
    };
  }

  /** Tells all streams to stop and drops the datagrams. */
  clear(): void {
    this.#stopTimer();
    for (const { stream } of this.#streams) stopStream(stream);
    this.#streams = [];
    this.#datagrams = [];
  }

  #startTimer(): void {
    const { clock, earlyTimeoutMs } = this.#options;
    this.#timer ??= clock.setTimeout(() => this.clear(), earlyTimeoutMs);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
