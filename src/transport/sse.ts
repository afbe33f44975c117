import type { CloseInfo } from "../protocol/close_code.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { ProtocolError } from "../protocol/protocol_error.ts";
import { concat } from "../protocol/concat.ts";
import { eventBatch } from "./batch.ts";
import { type PeerInfo, peerOf, PeerTransport, TRANSPORT_LOST } from "./peer_transport.ts";
import type { Lane, TransportAcceptor } from "./transport.ts";
import type { TransportOptions } from "./transport_options.ts";

/**
 * One event stream (WHATWG HTML §9.2): messages down as events, those of the client come by POST.
 *
 * It is the source of its own stream. What is written goes to Deno at once while Deno asks for more,
 * else it waits here and counts as buffered. Deno asks until 64 KiB wait inside it.
 */
export class SseTransport extends PeerTransport implements UnderlyingDefaultSource<Uint8Array> {
  override readonly kind = "sse";
  override readonly control: SseLane;
  /** Names the transport to `POST /rt/send`, and proves that it is the client's. */
  readonly id: string;
  readonly body: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly #onEnd: (transport: SseTransport) => void;
  readonly #info: PeerInfo;
  /** Parts of the stream that Deno has not asked for yet. */
  #waiting: Uint8Array[] | undefined;
  #bufferedBytes = 0;
  #wanted = false;
  #congested = false;

  /**
   * @param onEnd Called once when it has ended, before its receiver is.
   * @param node The name of the node, where there are others: the id begins with it.
   */
  constructor(
    request: Request,
    info: PeerInfo,
    options: TransportOptions,
    onEnd: (transport: SseTransport) => void,
    node = "",
  ) {
    super("json", peerOf(request, info), options);
    this.#info = info;
    this.id = randomId(node);
    this.#onEnd = onEnd;
    this.control = new SseLane(this);
    // Nothing may wait inside the stream, where it cannot be counted.
    this.body = new ReadableStream(this, NO_QUEUE);
  }

  /** Tells the client the transport's id, and takes a receiver. */
  open(accept: TransportAcceptor): void {
    this.push(encoder.encode(`event: open\ndata: {"transport":"${this.id}"}\n\n`));
    this.accept(accept);
  }

  /** Takes the messages of a POST, one a line. Returns what was wrong, if something was. */
  post(text: string): ProtocolError | undefined {
    return this.receiveText(text);
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Called by the stream, once. */
  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  /** Called by the stream when Deno takes more. */
  pull(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#wanted = true;
      return;
    }
    this.#waiting = undefined;
    this.#bufferedBytes = 0;
    this.#controller!.enqueue(concat(waiting));
    this.taken();
    if (this.closeInfo !== undefined) return this.#end();
    if (!this.#congested) return;
    this.#congested = false;
    this.drained(this.control);
  }

  /** Called by the stream when the client has gone. */
  cancel(): void {
    this.#controller = undefined;
    this.#waiting = undefined;
    this.finish(TRANSPORT_LOST);
  }

  /** Sends the messages as one event. */
  send(messages: readonly EncodedMessage[]): void {
    if (this.receiving) this.push(eventBatch.of(messages));
  }

  /** Sends a part of the stream: whole events. */
  protected push(bytes: Uint8Array): void {
    if (this.#controller === undefined) return;
    if (this.#wanted) {
      this.#wanted = false;
      this.#controller.enqueue(bytes);
      this.taken();
      return;
    }
    (this.#waiting ??= []).push(bytes);
    this.#bufferedBytes += bytes.length;
    if (this.#bufferedBytes >= this.options.highWaterBytes) this.#congested = true;
  }

  /** Deno has taken all that was written. */
  protected taken(): void {}

  protected override sendClose(info: CloseInfo): void {
    this.push(encoder.encode(`event: close\ndata: ${JSON.stringify(info)}\n\n`));
    if (this.#waiting === undefined) this.#end();
  }

  /** What Deno has taken already stays with it until the client reads it or its TCP gives up. */
  protected override abandon(): void {
    this.#waiting = undefined;
    this.#end();
  }

  protected override finish(info: CloseInfo, lingering?: Promise<void>): void {
    if (!this.ended) this.#onEnd(this);
    super.finish(info, lingering);
  }

  #end(): void {
    this.#controller?.close();
    this.#controller = undefined;
    // What Deno has taken, the peer need not have.
    this.finish(TRANSPORT_LOST, this.#info.completed?.catch(() => {}));
  }
}

class SseLane implements Lane {
  readonly #transport: SseTransport;

  constructor(transport: SseTransport) {
    this.#transport = transport;
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  write(messages: readonly EncodedMessage[]): void {
    this.#transport.send(messages);
  }

  close(): void {}
}

const NO_QUEUE: QueuingStrategy<Uint8Array> = { highWaterMark: 0 };

const encoder = new TextEncoder();

/** 128 bits in hexadecimal: the node's name, and random ones. */
function randomId(node: string): string {
  return node + crypto.getRandomValues(new Uint8Array(16)).toHex().slice(node.length);
}
