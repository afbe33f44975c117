import type { CloseInfo } from "../protocol/close_code.ts";
import type { EncodedMessage, Encoding } from "../protocol/encoded_message.ts";
import type { ClientMessage } from "../protocol/message.ts";

export type TransportKind = "webtransport" | "websocket" | "sse";

/** Where a peer comes from, as limits by address see it. */
export interface ClientAddress {
  /** IP address, without a port. */
  readonly address: string;
  /** The address is a proxy's, behind which are many: no limit by address holds. */
  readonly exempt: boolean;
}

/** Who is at the other end. */
export interface Peer extends ClientAddress {
  readonly origin: string | undefined;
}

/**
 * One ordered, reliable way to the peer. A lane never waits and never refuses: whoever writes
 * looks at `bufferedBytes` first and holds back what is over the water mark.
 */
export interface Lane {
  /** Bytes written and not yet taken by the network. */
  readonly bufferedBytes: number;
  /** Sends the messages in this order, as one write. */
  write(messages: readonly EncodedMessage[]): void;
  /** Ends the lane after what was written; without effect on a transport's control lane. */
  close(): void;
}

/**
 * One peer over one transport: messages in and out. It knows nothing of sessions or channels.
 *
 * - What comes in is decoded here and handed to the {@linkcode TransportReceiver}, in order. A
 *   malformed or oversized message closes the transport with the code for it.
 * - Nothing is queued here beyond what the lanes say in `bufferedBytes`.
 * - There is no way to reopen: a session takes another transport instead.
 */
export interface Transport {
  readonly kind: TransportKind;
  readonly encoding: Encoding;
  readonly peer: Peer;
  /** The lane that is always there. */
  readonly control: Lane;
  /**
   * A lane that is not held up by the others, or `undefined` where the kind has none or the cap
   * is reached: use `control` then.
   */
  openLane(): Lane | undefined;
  /** Largest datagram in bytes at this moment; 0 where the kind has none. */
  readonly maxDatagramSize: number;
  /**
   * Sends the messages as one datagram, which may be lost, with `head` before them: frames of this
   * peer alone. False, and nothing sent, if they are over `maxDatagramSize` or too many datagrams
   * wait already.
   */
  sendDatagram(messages: readonly EncodedMessage[], head?: Uint8Array): boolean;
  /** Sends what was written, then the code and reason, then ends. Only the first call counts. */
  close(code: number, reason: string): void;
}

/** What a transport calls: the upward side, implemented by whoever owns the session. */
export interface TransportReceiver {
  /** @param bytes How long it came, near enough: of text, its UTF-16 units. */
  receive(message: ClientMessage, bytes: number): void;
  /** Any bytes came in: the peer lives, whatever it says. */
  alive(): void;
  /** A lane that held more than the high water mark fell to the low one. */
  drained(lane: Lane): void;
  /**
   * Called once, last, whoever ended it.
   *
   * @param lingering Where the peer does not take the close and the runtime cannot cut it off:
   * settles once its socket has ended. The transport is over all the same.
   */
  closed(info: CloseInfo, lingering?: Promise<void>): void;
}

/** Takes a new transport whose origin has passed, and says who receives from it. */
export type TransportAcceptor = (transport: Transport) => TransportReceiver;
