import type { TimerId } from "../policy/clock.ts";
import { CloseCode, type CloseInfo } from "../protocol/close_code.ts";
import { cutReason, MAX_WEBTRANSPORT_REASON_BYTES } from "../protocol/close_reason.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";
import { Framer } from "../protocol/framer.ts";
import { decodeClientMessage } from "../protocol/binary.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import type { WebTransportSession } from "../webtransport/session.ts";
import { binaryBatch } from "./batch.ts";
import { closedByPeer, PeerTransport, TRANSPORT_LOST } from "./peer_transport.ts";
import { StreamLane, type StreamLaneOwner } from "./stream_lane.ts";
import type { Lane, TransportAcceptor } from "./transport.ts";
import { TRANSPORT_DEFAULTS, type TransportOptions } from "./transport_options.ts";

/**
 * WebTransport, in the binary dialect.
 *
 * - The client opens one bidirectional stream, the control lane.
 * - Every other lane is a unidirectional stream of the server.
 * - A datagram is one or more whole frames. The client's are publications without acknowledgement.
 */
export class WebTransportHandler {
  readonly #options: TransportOptions;

  constructor(options: Partial<TransportOptions> = {}) {
    this.#options = { ...TRANSPORT_DEFAULTS, ...options };
  }

  /** Makes a transport of a session whose origin has passed. */
  handle(session: WebTransportSession, accept: TransportAcceptor): void {
    new WebTransportTransport(session, this.#options, accept);
  }
}

class WebTransportTransport extends PeerTransport implements StreamLaneOwner {
  override readonly kind = "webtransport";
  override readonly control: StreamLane;
  readonly #session: WebTransportSession;
  readonly #lanes = new Set<StreamLane>();
  #graceTimer: TimerId | undefined;

  constructor(
    session: WebTransportSession,
    options: TransportOptions,
    accept: TransportAcceptor,
  ) {
    super("binary", { address: session.remoteAddr.hostname, origin: session.origin }, options);
    this.#session = session;
    this.control = new StreamLane(this);
    this.accept(accept);
    session.datagrams.onDatagram = (payload) => this.#receiveDatagram(payload);
    session.closed.then(
      ({ closeCode, reason }) => this.finish(closedByPeer(closeCode, reason)),
      () => this.finish(TRANSPORT_LOST),
    );
    // A read fails when the stream or the session ends, which the session tells better.
    this.#readControl().catch(() => this.#closeSoon());
    this.#refuseUnidirectional().catch(ignore);
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

  override sendDatagram(messages: readonly EncodedMessage[]): boolean {
    return this.receiving && this.#session.datagrams.send(binaryBatch.of(messages));
  }

  onDrained(lane: StreamLane): void {
    this.drained(lane);
  }

  onEmpty(): void {
    if (this.closeInfo !== undefined) this.sendClose(this.closeInfo);
  }

  onClosed(lane: StreamLane): void {
    this.#lanes.delete(lane);
  }

  onFailed(): void {
    this.#closeSoon();
  }

  protected override sendClose(info: CloseInfo): void {
    // The close capsule goes its own way and would overtake what the lanes still hold.
    if (!this.control.empty) return;
    for (const lane of this.#lanes) if (!lane.empty) return;
    this.#closeSession(info);
  }

  protected override abandon(): void {
    if (this.closeInfo !== undefined) this.#closeSession(this.closeInfo);
    super.abandon();
  }

  protected override finish(info: CloseInfo): void {
    if (this.#graceTimer !== undefined) this.options.clock.clearTimeout(this.#graceTimer);
    super.finish(info);
  }

  #closeSession({ code, reason }: CloseInfo): void {
    this.#session.close({
      closeCode: code,
      reason: cutReason(reason, MAX_WEBTRANSPORT_REASON_BYTES),
    });
  }

  /** A stream broke off: closes, unless the session proves to have ended itself. */
  #closeSoon(): void {
    if (this.#graceTimer !== undefined || !this.receiving) return;
    this.#graceTimer = this.options.clock.setTimeout(
      () => this.close(CloseCode.TRANSPORT_LOST, "A stream was cut off"),
      GRACE_MS,
    );
  }

  async #readControl(): Promise<void> {
    const streams = this.#session.incomingBidirectionalStreams.getReader();
    const { value: stream } = await streams.read();
    if (stream === undefined) return;
    this.control.attach(stream.writable);
    streams.read().then(({ done }) => {
      if (!done) this.reject(new ProtocolError("One bidirectional stream was expected: a second"));
    }, ignore);
    const reader = stream.readable.getReader({ mode: "byob" });
    const framer = new Framer(this.options.maxMessageBytes);
    let buffer = new Uint8Array(READ_BYTES);
    while (this.receiving) {
      const { done, value } = await reader.read(buffer);
      if (done) return this.#closeSoon();
      framer.push(value);
      this.receiveFrames(framer);
      buffer = new Uint8Array(value.buffer);
    }
  }

  async #refuseUnidirectional(): Promise<void> {
    const { done } = await this.#session.incomingUnidirectionalStreams.getReader().read();
    if (!done) this.reject(new ProtocolError("No unidirectional stream was expected: one"));
  }

  #receiveDatagram(payload: Uint8Array): void {
    this.alive();
    const framer = new Framer(this.options.maxMessageBytes);
    framer.push(payload);
    try {
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        const message = decodeClientMessage(frame);
        if (message.type !== "publish" || message.id !== 0) {
          throw new ProtocolError(
            `A publish with id 0 was expected in a datagram: ${message.type}`,
          );
        }
        if (this.receiving) this.receive(message);
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

function ignore(): void {}
