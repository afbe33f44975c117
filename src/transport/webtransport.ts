import type { TimerId } from "../policy/clock.ts";
import { CloseCode, type CloseInfo } from "../protocol/close_code.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";
import { Framer } from "../protocol/framer.ts";
import { decodeClientMessage } from "../protocol/binary.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import type { WebTransportSession, WebTransportStreamReceiver } from "../webtransport/session.ts";
import { binaryBatch } from "./batch.ts";
import { closedByPeer, PeerTransport, TRANSPORT_LOST } from "./peer_transport.ts";
import { StreamLane, type StreamLaneOwner } from "./stream_lane.ts";
import type { ClientAddress, Lane, TransportAcceptor } from "./transport.ts";
import { TRANSPORT_DEFAULTS, type TransportOptions } from "./transport_options.ts";

/**
 * WebTransport, in the binary dialect.
 *
 * - The client opens one bidirectional stream, the control lane.
 * - Every other lane is a unidirectional stream of the server.
 * - A datagram is one or more whole frames. The client's are publications without acknowledgement,
 *   and what it has seen.
 */
export class WebTransportHandler {
  readonly #options: TransportOptions;

  constructor(options: Partial<TransportOptions> = {}) {
    this.#options = { ...TRANSPORT_DEFAULTS, ...options };
  }

  /** Makes a transport of a session whose origin has passed. */
  handle(session: WebTransportSession, sender: ClientAddress, accept: TransportAcceptor): void {
    new WebTransportTransport(session, sender, this.#options, accept);
  }
}

class WebTransportTransport extends PeerTransport
  implements StreamLaneOwner, WebTransportStreamReceiver {
  override readonly kind = "webtransport";
  override readonly control: StreamLane;
  readonly #session: WebTransportSession;
  readonly #lanes = new Set<StreamLane>();
  /** The client has ended the control stream. */
  #clientEnded = false;
  /** Runs while something is awaited that need not come. */
  #timer: TimerId | undefined;

  constructor(
    session: WebTransportSession,
    { address, exempt }: ClientAddress,
    options: TransportOptions,
    accept: TransportAcceptor,
  ) {
    super("binary", { address, exempt, origin: session.origin }, options);
    this.#session = session;
    this.control = new StreamLane(this);
    this.accept(accept);
    session.datagrams.onDatagram = (payload) => this.#receiveDatagram(payload);
    session.closed.then(
      ({ closeCode, reason }) => this.finish(closedByPeer(closeCode, reason)),
      () => this.finish(TRANSPORT_LOST),
    );
    session.receiveStreams(this);
  }

  get highWaterBytes(): number {
    return this.options.highWaterBytes;
  }

  override openLane(): Lane | undefined {
    if (this.#lanes.size >= this.options.maxLanes || !this.receiving) return undefined;
    const lane = new StreamLane(this);
    this.#lanes.add(lane);
    this.#session.createUnidirectionalStream({ waitUntilAvailable: true }).then(
      (writable) => lane.attach(writable),
      () => this.onFailed(),
    );
    return lane;
  }

  override get maxDatagramSize(): number {
    return this.receiving ? this.#session.datagrams.maxDatagramSize : 0;
  }

  override sendDatagram(messages: readonly EncodedMessage[], head?: Uint8Array): boolean {
    return this.receiving && this.#session.datagrams.send(binaryBatch.of(messages), head);
  }

  onBidirectionalStream({ readable, writable }: Deno.QuicBidirectionalStream): void {
    if (this.control.attached) {
      return this.reject(new ProtocolError("One bidirectional stream was expected: a second"));
    }
    this.control.attach(writable);
    // A read fails when the stream or the session ends, which the session tells better.
    this.#readControl(readable).catch(() => this.#closeSoon());
  }

  onUnidirectionalStream(): void {
    this.reject(new ProtocolError("No unidirectional stream was expected: one"));
  }

  onDrained(lane: StreamLane): void {
    this.drained(lane);
  }

  onClosed(lane: StreamLane): void {
    this.#lanes.delete(lane);
    this.#closeInTurn();
  }

  onFailed(): void {
    this.#closeSoon();
    this.#closeInTurn();
  }

  /**
   * The close capsule takes its own way and would overtake what was written. So the lanes end first,
   * and the capsule follows when the client ends the control stream in answer.
   */
  protected override sendClose(): void {
    for (const lane of this.#lanes) lane.close();
    this.control.close();
    this.#closeInTurn();
  }

  protected override abandon(): void {
    this.#closeSession();
    super.abandon();
  }

  protected override finish(info: CloseInfo): void {
    this.#setTimer(undefined);
    super.finish(info);
  }

  /** Closes the session as soon as it is the capsule's turn. */
  #closeInTurn(): void {
    if (this.closeInfo === undefined || this.ended || !this.control.ended) return;
    for (const lane of this.#lanes) if (!lane.ended) return;
    if (this.#clientEnded || !this.control.attached) this.#closeSession();
    else this.#setTimer(() => this.#closeSession(), LINGER_MS);
  }

  #closeSession(): void {
    const { code, reason } = this.closeInfo!;
    this.#session.close({ closeCode: code, reason });
  }

  /** A stream broke off: closes, unless the session proves to have ended itself. */
  #closeSoon(): void {
    if (!this.receiving) return;
    this.#setTimer(() => this.close(CloseCode.TRANSPORT_LOST, "A stream was cut off"), GRACE_MS);
  }

  #setTimer(callback: (() => void) | undefined, ms = 0): void {
    const { clock } = this.options;
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
    this.#timer = callback === undefined ? undefined : clock.setTimeout(callback, ms);
  }

  async #readControl(readable: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const reader = readable.getReader({ mode: "byob" });
    const framer = new Framer(this.options.maxMessageBytes);
    let buffer = new Uint8Array(READ_BYTES);
    while (!this.ended) {
      const { done, value } = await reader.read(buffer);
      if (done) break;
      if (this.receiving) {
        framer.push(value);
        this.receiveFrames(framer);
      }
      buffer = new Uint8Array(value.buffer);
    }
    this.#clientEnded = true;
    this.#closeSoon();
    this.#closeInTurn();
  }

  #receiveDatagram(payload: Uint8Array): void {
    this.alive();
    const framer = new Framer(this.options.maxMessageBytes);
    framer.push(payload);
    try {
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        const message = decodeClientMessage(frame);
        if (message.type !== "seen" && (message.type !== "publish" || message.id !== 0)) {
          throw new ProtocolError(
            `A publish with id 0, or seen, was expected in a datagram: ${message.type}`,
          );
        }
        if (this.receiving) this.receive(message, frame.byteLength);
      }
      if (framer.pendingBytes > 0) {
        throw new ProtocolError(
          `Whole frames were expected in a datagram: the last has ${framer.pendingBytes} bytes`,
        );
      }
    } catch (error) {
      this.reject(error);
    }
  }
}

/** What a pending read holds, for every idle session: most commands fit. */
const READ_BYTES = 1_024;

/** A close capsule and the streams' ends arrive in any order; a lost one is sent again within it. */
const GRACE_MS = 1_000;

/** What a client that does not end the control stream is given to read it: a far round trip. */
const LINGER_MS = 250;
