import { encodeVarint, varintLength } from "../varint.ts";
import { IncomingQueue } from "./incoming_queue.ts";

/**
 * The datagrams of one session, unreliable and unordered both ways. Each carries the session's
 * Quarter Stream ID in front (RFC 9297 §2.1), which {@linkcode WebTransportDatagrams.maxDatagramSize}
 * leaves out.
 */
export class WebTransportDatagrams {
  /** Datagrams from the peer that nobody read in time, in count. */
  droppedIncoming = 0;
  #onDatagram: ((payload: Uint8Array) => void) | undefined;
  readonly #quic: Deno.QuicConn;
  readonly #prefix: Uint8Array;
  readonly #incoming: IncomingQueue<Uint8Array>;
  readonly #maxOutstanding: number;
  readonly #accepted: boolean;
  #outstanding = 0;
  #open = true;

  /**
   * @param options.sessionId The session's ID, a multiple of 4.
   * @param options.accepted Whether the peer's SETTINGS take HTTP Datagrams (RFC 9297 §2.1.1).
   * @param options.maxOutstanding Datagrams sent and not yet taken by QUIC, in count.
   * @param options.maxIncoming Datagrams that wait to be read, in count.
   */
  constructor(
    quic: Deno.QuicConn,
    options: { sessionId: number; accepted: boolean; maxOutstanding: number; maxIncoming: number },
  ) {
    this.#quic = quic;
    this.#prefix = new Uint8Array(varintLength(options.sessionId / 4));
    encodeVarint(options.sessionId / 4, this.#prefix, 0);
    this.#incoming = new IncomingQueue(options.maxIncoming, (payload) => payload);
    this.#accepted = options.accepted;
    this.#maxOutstanding = options.maxOutstanding;
  }

  /** The payloads that come; the oldest are dropped while the app does not read. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#incoming.readable;
  }

  /**
   * Called with each payload that comes, at once: the cheap way. While it is set, nothing reaches
   * {@linkcode WebTransportDatagrams.readable}; what waits there when it is set comes first. The
   * payload is the app's to keep.
   */
  get onDatagram(): ((payload: Uint8Array) => void) | undefined {
    return this.#onDatagram;
  }

  set onDatagram(callback: ((payload: Uint8Array) => void) | undefined) {
    this.#onDatagram = callback;
    if (callback !== undefined) { for (const payload of this.#incoming.drain()) callback(payload); }
  }

  /** The largest payload at this moment, in bytes; 0 if the peer takes none, or the session ended. */
  get maxDatagramSize(): number {
    if (!this.#open || !this.#accepted) return 0;
    return Math.max(0, this.#quic.maxDatagramSize - this.#prefix.length);
  }

  /**
   * Sends a payload, with `head` before it, and copies both: their buffers may be reused. False, and nothing sent, if it is over
   * {@linkcode WebTransportDatagrams.maxDatagramSize}, too many wait already, or the session ended.
   */
  send(payload: Uint8Array, head: Uint8Array = NO_HEAD): boolean {
    if (!this.#open || !this.#accepted || this.#outstanding >= this.#maxOutstanding) return false;
    const start = this.#prefix.length + head.length;
    if (start + payload.length > this.#quic.maxDatagramSize) return false;
    const datagram = new Uint8Array(start + payload.length);
    datagram.set(this.#prefix);
    datagram.set(head, this.#prefix.length);
    datagram.set(payload, start);
    this.#outstanding++;
    this.#quic.sendDatagram(datagram).then(this.#taken, this.#taken);
    return true;
  }

  /** The peer's datagram has come. */
  deliver(payload: Uint8Array): void {
    if (!this.#open) return;
    if (this.#onDatagram !== undefined) this.#onDatagram(payload);
    else if (this.#incoming.push(payload) !== undefined) this.droppedIncoming++;
  }

  /** The session has ended, with `error` if not by a close. */
  end(error: unknown): void {
    this.#open = false;
    this.#onDatagram = undefined;
    if (error === undefined) this.#incoming.close();
    else this.#incoming.fail(error);
  }

  readonly #taken = (): void => {
    this.#outstanding--;
  };
}

const NO_HEAD = new Uint8Array(0);
