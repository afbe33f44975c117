import type { TimerId } from "../policy/clock.ts";
import { decodeClientMessage as decodeBinary } from "../protocol/binary.ts";
import { CloseCode, type CloseInfo } from "../protocol/close_code.ts";
import type { EncodedMessage, Encoding } from "../protocol/encoded_message.ts";
import { Framer } from "../protocol/framer.ts";
import { decodeClientMessage as decodeJson } from "../protocol/json.ts";
import type { ClientMessage } from "../protocol/message.ts";
import { messageTooLarge, ProtocolError } from "../protocol/protocol_error.ts";
import type {
  ClientAddress,
  Lane,
  Peer,
  Transport,
  TransportAcceptor,
  TransportKind,
  TransportReceiver,
} from "./transport.ts";
import type { TransportOptions } from "./transport_options.ts";

/**
 * What every transport does alike: it hands on what comes in, turns a malformed message into a
 * close, and says once how it ended.
 *
 * A transport is accepted before its peer can have sent anything, and whatever happens then, its
 * receiver is told `closed`.
 */
export abstract class PeerTransport implements Transport {
  abstract readonly kind: TransportKind;
  abstract readonly control: Lane;
  readonly encoding: Encoding;
  readonly peer: Peer;
  protected readonly options: TransportOptions;
  #receiver: TransportReceiver | undefined;
  #closeInfo: CloseInfo | undefined;
  #ended = false;
  #closeTimer: TimerId | undefined;

  constructor(encoding: Encoding, peer: Peer, options: TransportOptions) {
    this.encoding = encoding;
    this.peer = peer;
    this.options = options;
  }

  openLane(): Lane | undefined {
    return undefined;
  }

  get maxDatagramSize(): number {
    return 0;
  }

  sendDatagram(_messages: readonly EncodedMessage[], _head?: Uint8Array): boolean {
    return false;
  }

  close(code: number, reason: string): void {
    if (this.#closeInfo !== undefined || this.#ended) return;
    this.#closeInfo = { code, reason };
    // A peer that takes nothing any more would keep its session waiting.
    const { clock, closeTimeoutMs } = this.options;
    this.#closeTimer = clock.setTimeout(() => this.abandon(), closeTimeoutMs);
    this.sendClose(this.#closeInfo);
  }

  /** Sends what was written, then `info`, then calls `finish()`. */
  protected abstract sendClose(info: CloseInfo): void;

  /** Gives up a close that the peer does not take. */
  protected abandon(): void {
    this.finish(TRANSPORT_LOST);
  }

  /** Why this end closes or has closed the transport. */
  protected get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo;
  }

  /** Whether `closed` was told. */
  protected get ended(): boolean {
    return this.#ended;
  }

  /** Whether what comes in is still wanted. */
  protected get receiving(): boolean {
    return this.#closeInfo === undefined && !this.#ended;
  }

  protected accept(accept: TransportAcceptor): void {
    this.#receiver = accept(this);
  }

  /**
   * It is over: for the reason that this end gave first, else for `info`. What its peer holds on to
   * may be `lingering`.
   */
  protected finish(info: CloseInfo, lingering?: Promise<void>): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#closeTimer !== undefined) this.options.clock.clearTimeout(this.#closeTimer);
    this.#receiver?.closed(this.#closeInfo ?? info, lingering);
  }

  protected drained(lane: Lane): void {
    if (!this.#ended) this.#receiver?.drained(lane);
  }

  protected alive(): void {
    if (this.receiving) this.#receiver?.alive();
  }

  /** Takes the whole frames of `bytes`; the last one must end with them. */
  protected receiveBatch(bytes: Uint8Array): void {
    const framer = new Framer(this.options.maxMessageBytes);
    framer.push(bytes);
    this.receiveFrames(framer);
    if (framer.pendingBytes > 0 && this.receiving) {
      this.reject(
        new ProtocolError(`Whole frames were expected: the last has ${framer.pendingBytes} bytes`),
      );
    }
  }

  /** Takes the frames that are whole by now. */
  protected receiveFrames(framer: Framer): void {
    this.alive();
    try {
      while (this.receiving) {
        const frame = framer.next();
        if (frame === undefined) return;
        this.receive(decodeBinary(frame), frame.byteLength);
      }
    } catch (error) {
      this.reject(error);
    }
  }

  /** Takes the messages in `text`, one a line. Returns what was wrong, if something was. */
  protected receiveText(text: string): ProtocolError | undefined {
    this.alive();
    try {
      for (const line of text.split("\n")) {
        if (!this.receiving) break;
        checkLine(line, this.options.maxMessageBytes);
        this.receive(decodeJson(line), line.length);
      }
    } catch (error) {
      this.reject(error);
      if (error instanceof ProtocolError) return error;
    }
    return undefined;
  }

  protected receive(message: ClientMessage, bytes: number): void {
    this.#receiver?.receive(message, bytes);
  }

  /** Closes for an error: the peer's if it is a {@linkcode ProtocolError}, else the server's. */
  protected reject(error: unknown): void {
    if (error instanceof ProtocolError) return this.close(error.closeCode, error.message);
    this.options.onError(error);
    this.close(CloseCode.INTERNAL_ERROR, "Internal error");
  }
}

/** What `finish()` is told where a transport broke off. */
export const TRANSPORT_LOST: CloseInfo = { code: CloseCode.TRANSPORT_LOST, reason: "" };

/**
 * What the peer's close means. Codes of ours stay; 1000 and none at all (1005) close a WebSocket in
 * good order. The others are the transport's own failures, or the browser's doing with a page that
 * went away or was frozen and may come back: 1001 for a WebSocket, and for WebTransport 0, which is
 * what a session that nobody closed ends with too (draft-ietf-webtrans-http3 §6).
 */
export function closedByPeer(code: number, reason: string): CloseInfo {
  if (code >= 3000 && code < 5000) return { code, reason };
  if (code === 1000 || code === 1005) return { code: CloseCode.LEFT, reason };
  return { code: CloseCode.TRANSPORT_LOST, reason };
}

/** Who sent `request`. */
export function peerOf(request: Request, info: PeerInfo): Peer {
  return {
    address: info.sender.address,
    exempt: info.sender.exempt,
    origin: request.headers.get("origin") ?? undefined,
  };
}

/** One end of a TCP socket. */
export interface TcpEnd {
  readonly hostname: string;
  readonly port: number;
}

/** What is known of a request's sender. */
export interface PeerInfo {
  readonly sender: ClientAddress;
  /** The other end of the TCP socket, which may be a proxy's; absent over HTTP/3. */
  readonly remote?: TcpEnd | undefined;
  /** Settles when the response has been sent, or cannot be; absent over HTTP/3. */
  readonly completed?: Promise<void> | undefined;
}

/** An answer in plain text. */
export function refusal(status: number, text: string, headers?: Record<string, string>): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}

const encoder = new TextEncoder();

function checkLine(line: string, limit: number): void {
  // A UTF-16 unit takes one to three bytes: most lines need no counting.
  if (3 * line.length <= limit) return;
  const size = line.length > limit ? line.length : encoder.encode(line).length;
  if (size > limit) throw messageTooLarge(limit, size);
}
