import { CloseCode, type CloseInfo } from "../../protocol/close_code.ts";
import type { Encoding } from "../../protocol/encoded_message.ts";
import type { ServerMessage } from "../../protocol/message.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { ServerInfo } from "../../protocol/server_info.ts";
import { messageOf } from "../errors.ts";

/** How the client reaches the server. */
export type TransportKind = "webtransport" | "websocket" | "sse";

/** What a transport calls. */
export interface TransportReceiver {
  /** Messages of one lane come in order; lanes do not wait for each other. */
  receive(message: ServerMessage): void;
  /** That many bytes came in: the server lives, whatever it says. */
  arrived(bytes: number): void;
  /** Called once, last, whoever ended it. */
  closed(info: CloseInfo): void;
}

/** Where a transport leads, and how. */
export interface Target {
  /** Any URL of the server's origin, `http:` or `https:`. */
  readonly base: URL;
  readonly info: ServerInfo;
  /** The dialect spoken on WebSocket, where both are there. */
  readonly encoding: Encoding;
  /** One message from the server, in bytes; a larger one ends the transport. */
  readonly maxIncomingBytes: number;
}

/**
 * Opens a transport, ready to send. Rejects, and leaves nothing open, if that fails or `signal`
 * aborts, which it does whenever the attempt failed, and not while the transport is in use.
 */
export type OpenTransport = (
  target: Target,
  receiver: TransportReceiver,
  signal: AbortSignal,
) => Promise<Transport>;

/**
 * One transport to the server: encoded messages out, messages in. It knows nothing of sessions,
 * does not reopen, and leaves bounding what is written to who writes.
 */
export abstract class Transport {
  abstract readonly kind: TransportKind;
  abstract readonly encoding: Encoding;
  /** Bytes written and not yet taken by the network, as far as the runtime tells. */
  abstract readonly bufferedBytes: number;
  readonly #receiver: TransportReceiver;
  #ended = false;

  constructor(receiver: TransportReceiver) {
    this.#receiver = receiver;
  }

  /** Whether the transport is over, whoever ended it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Largest datagram in bytes; 0 where the kind has none. */
  get maxDatagramSize(): number {
    return 0;
  }

  /** Sends encoded messages in this order, as one write. */
  abstract write(messages: readonly Uint8Array[]): void;

  /** Sends one encoded message, which may be lost. False if too many wait already. */
  sendDatagram(_message: Uint8Array): boolean {
    return false;
  }

  /** Ends the transport now; the server is told if it can be. */
  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.release(code, reason);
    this.end({ code, reason });
  }

  /** Closes what lies below. Called at most once, never after the far end has closed it. */
  protected abstract release(code: number, reason: string): void;

  /** Notes the end, whoever caused it. Only the first counts. */
  protected end(info: CloseInfo): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#receiver.closed(info);
  }

  /** Notes that what lies below broke; an end that it told before wins. */
  protected lose(error: unknown): void {
    this.close(CloseCode.TRANSPORT_LOST, messageOf(error));
  }

  /** Hands on what `decode` makes of `bytes` bytes; ends the transport if they are no messages. */
  protected take(bytes: number, decode: (receive: (message: ServerMessage) => void) => void): void {
    if (this.#ended) return;
    this.#receiver.arrived(bytes);
    try {
      decode(this.#receive);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.closeCode, error.message);
    }
  }

  readonly #receive = (message: ServerMessage): void => {
    // The receiver may close the transport between two messages of one read.
    if (!this.#ended) this.#receiver.receive(message);
  };
}

/** The URL of an entrance, with the pass that the server gave. */
export function entrance(url: string, { base, info: { pass } }: Target): URL {
  return new URL(pass === undefined ? url : `${url}?pass=${pass}`, base);
}
