import type { CloseInfo } from "../protocol/close_code.ts";
import { cutReason, MAX_WEBSOCKET_REASON_BYTES } from "../protocol/close_reason.ts";
import { EncodedMessage, type Encoding } from "../protocol/encoded_message.ts";
import { messageTooLarge, ProtocolError } from "../protocol/protocol_error.ts";
import { encodingOf, SUBPROTOCOL } from "../protocol/subprotocol.ts";
import { binaryBatch, textBatch } from "./batch.ts";
import { type Congested, DrainPoll } from "./drain_poll.ts";
import {
  closedByPeer,
  type PeerInfo,
  peerOf,
  PeerTransport,
  refusal,
  type TcpEnd,
  TRANSPORT_LOST,
} from "./peer_transport.ts";
import type { Lane, Peer, TransportAcceptor } from "./transport.ts";
import { TRANSPORT_DEFAULTS, type TransportOptions } from "./transport_options.ts";

/**
 * WebSocket (RFC 6455) through `Deno.upgradeWebSocket`. A WebSocket message is one or more frames
 * of the binary dialect, or one or more lines of the JSON dialect as text.
 *
 * Deno's socket buffers a whole message of up to 64 MiB before it can be refused, and it cannot be
 * cut off: after a close that the peer does not take, the socket and what was written to it stay
 * until the peer's TCP ends. The transport is over after `closeTimeoutMs`, and is told to linger.
 * A message in fragments it buffers without any limit: whoever can end a socket watches
 * {@linkcode WebSocketHandler.sockets}.
 */
export class WebSocketHandler {
  readonly #shared: Shared;

  constructor(options: Partial<TransportOptions> = {}) {
    const all = { ...TRANSPORT_DEFAULTS, ...options };
    this.#shared = { options: all, poll: new DrainPoll(all.clock), sockets: new Set() };
  }

  /** Those whose TCP has not ended. */
  get sockets(): Iterable<OpenWebSocket> {
    return this.#shared.sockets;
  }

  /**
   * Answers an upgrade request whose origin has passed: 101 and a transport, 426 to what is no
   * upgrade, 400 where no subprotocol of ours is offered.
   */
  handle(request: Request, info: PeerInfo, accept: TransportAcceptor): Response {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return refusal(426, "A WebSocket upgrade was expected", { upgrade: "websocket" });
    }
    const offered = offeredSubprotocols(request);
    const encoding = encodingOf(offered);
    if (encoding === undefined) {
      return refusal(
        400,
        `A subprotocol of ${SUBPROTOCOL.binary} or ${SUBPROTOCOL.json} was expected: ` +
          (offered.join(", ") || "none"),
      );
    }
    // Read first: the upgrade takes the request apart.
    const peer = peerOf(request, info);
    let upgrade: Deno.WebSocketUpgrade;
    try {
      // Our own heartbeat finds dead peers, on every transport alike.
      upgrade = Deno.upgradeWebSocket(request, { protocol: SUBPROTOCOL[encoding], idleTimeout: 0 });
    } catch (error) {
      return refusal(400, error instanceof Error ? error.message : String(error));
    }
    new WebSocketTransport(upgrade.socket, encoding, peer, info.remote, this.#shared, accept);
    return upgrade.response;
  }
}

/** A WebSocket, as who watches its TCP socket sees it. */
export interface OpenWebSocket {
  readonly remote: TcpEnd | undefined;
  /** Messages that have come, in count. */
  readonly messages: number;
}

/** What the WebSockets of a handler have in common. */
interface Shared {
  readonly options: TransportOptions;
  readonly poll: DrainPoll;
  /** Bounded by the admission: a socket keeps its place as long as it is here. */
  readonly sockets: Set<OpenWebSocket>;
}

class WebSocketTransport extends PeerTransport
  implements Congested, EventListenerObject, OpenWebSocket {
  override readonly kind = "websocket";
  override readonly control: WebSocketLane;
  readonly remote: TcpEnd | undefined;
  messages = 0;
  readonly #socket: WebSocket;
  readonly #shared: Shared;
  #congested = false;
  /** Resolved when the socket of a transport that was given up has ended. */
  #gone: PromiseWithResolvers<void> | undefined;

  constructor(
    socket: WebSocket,
    encoding: Encoding,
    peer: Peer,
    remote: TcpEnd | undefined,
    shared: Shared,
    accept: TransportAcceptor,
  ) {
    super(encoding, peer, shared.options);
    this.remote = remote;
    this.#socket = socket;
    this.#shared = shared;
    shared.sockets.add(this);
    this.control = new WebSocketLane(this, socket);
    socket.binaryType = "arraybuffer";
    // One object for all events: a closure each would cost every idle session.
    socket.addEventListener("message", this);
    socket.addEventListener("open", this);
    socket.addEventListener("close", this);
    this.accept(accept);
  }

  handleEvent(event: Event): void {
    switch (event.type) {
      case "message":
        return this.#message((event as MessageEvent<string | ArrayBuffer>).data);
      case "open":
        // Deno forgets a close() that came before.
        if (this.closeInfo !== undefined) this.sendClose(this.closeInfo);
        return;
      case "close": {
        const { wasClean, code, reason } = event as CloseEvent;
        this.#shared.poll.remove(this);
        this.#shared.sockets.delete(this);
        this.#gone?.resolve();
        return this.finish(wasClean ? closedByPeer(code, reason) : TRANSPORT_LOST);
      }
    }
  }

  send(messages: readonly EncodedMessage[]): void {
    if (!this.receiving || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#send(messages);
    if (!this.#congested && this.#socket.bufferedAmount >= this.options.highWaterBytes) {
      this.#congested = true;
      this.#shared.poll.add(this);
    }
  }

  pollDrained(): boolean {
    if (!this.receiving) return true;
    if (2 * this.#socket.bufferedAmount > this.options.highWaterBytes) return false;
    this.#congested = false;
    this.drained(this.control);
    // Told of it, the session may have filled it again.
    return !this.#congested;
  }

  protected override sendClose({ code, reason }: CloseInfo): void {
    // Deno drops its close frame if the peer was just sending; what is sent before it arrives.
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#send([new EncodedMessage({ type: "close", code, reason })]);
    }
    this.#socket.close(code, cutReason(reason, MAX_WEBSOCKET_REASON_BYTES));
  }

  protected override abandon(): void {
    this.#gone = Promise.withResolvers();
    this.finish(TRANSPORT_LOST, this.#gone.promise);
  }

  #send(messages: readonly EncodedMessage[]): void {
    this.#socket.send(
      this.encoding === "binary"
        ? binaryBatch.of(messages) as Uint8Array<ArrayBuffer>
        : textBatch.of(messages),
    );
  }

  #message(data: string | ArrayBuffer): void {
    this.messages++;
    if (!this.receiving) return;
    const { maxBatchBytes } = this.options;
    const size = typeof data === "string" ? data.length : data.byteLength;
    if (size > maxBatchBytes) return this.reject(messageTooLarge(maxBatchBytes, size));
    if (this.encoding === "json") {
      if (typeof data === "string") this.receiveText(data);
      else this.reject(new ProtocolError(`A text message was expected: ${size} binary bytes`));
    } else if (typeof data !== "string") {
      this.receiveBatch(new Uint8Array(data));
    } else {
      this.reject(new ProtocolError(`A binary message was expected: text of length ${size}`));
    }
  }
}

class WebSocketLane implements Lane {
  readonly #transport: WebSocketTransport;
  readonly #socket: WebSocket;

  constructor(transport: WebSocketTransport, socket: WebSocket) {
    this.#transport = transport;
    this.#socket = socket;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  write(messages: readonly EncodedMessage[]): void {
    this.#transport.send(messages);
  }

  close(): void {}
}

function offeredSubprotocols(request: Request): string[] {
  const header = request.headers.get("sec-websocket-protocol") ?? "";
  return header.split(",").map((name) => name.trim()).filter((name) => name !== "");
}
