import type { Random } from "../src/policy/random.ts";
import {
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
} from "../src/protocol/binary.ts";
import { CloseCode, type CloseInfo } from "../src/protocol/close_code.ts";
import type { EncodedMessage, Encoding } from "../src/protocol/encoded_message.ts";
import { Framer } from "../src/protocol/framer.ts";
import * as json from "../src/protocol/json.ts";
import type { ClientMessage, ServerMessage } from "../src/protocol/message.ts";
import type {
  Lane,
  Peer,
  Transport,
  TransportKind,
  TransportReceiver,
} from "../src/transport/transport.ts";

export interface PairedTransportOptions {
  readonly kind?: TransportKind;
  readonly encoding?: Encoding;
  readonly address?: string;
  /** Lanes that can be opened beside the control lane. */
  readonly lanes?: number;
  readonly maxDatagramSize?: number;
  readonly highWaterBytes?: number;
  /** Decides which datagrams are lost and which are late. */
  readonly random?: Random;
  /** The share of datagrams that is lost; as many again come late. */
  readonly loss?: number;
}

/** What the client's side of a transport sees. */
export interface PairedClient {
  message(message: ServerMessage, lane: PairedLane | "datagram"): unknown;
  closed(info: CloseInfo): unknown;
}

/**
 * A transport within one process, whose other end is a {@linkcode PairedClient}. Every message
 * crosses as bytes. Lanes can be stalled, datagrams be lost or late, and all of it cut.
 */
export class PairedTransport implements Transport {
  readonly kind: TransportKind;
  readonly encoding: Encoding;
  readonly peer: Peer;
  readonly control: PairedLane;
  /** Lanes that were opened, closed ones included. */
  readonly opened: PairedLane[] = [];
  readonly client: PairedClient;
  readonly highWaterBytes: number;
  maxDatagramSize: number;
  receiver: TransportReceiver | undefined;
  ended: CloseInfo | undefined;
  readonly #options: PairedTransportOptions;
  #late: Uint8Array[] = [];

  constructor(client: PairedClient, options: PairedTransportOptions = {}) {
    this.client = client;
    this.#options = options;
    this.kind = options.kind ?? (options.maxDatagramSize ? "webtransport" : "websocket");
    this.encoding = options.encoding ?? "binary";
    const { address = "192.0.2.1" } = options;
    this.peer = { address, exempt: false, origin: "https://example.com" };
    this.highWaterBytes = options.highWaterBytes ?? 65_536;
    this.maxDatagramSize = options.maxDatagramSize ?? 0;
    this.control = new PairedLane(this);
  }

  /** The client sends a message. */
  send(message: ClientMessage): void {
    if (this.ended !== undefined) return;
    this.receiver!.alive();
    if (this.encoding === "json") {
      const text = json.encodeClientMessage(message);
      this.receiver!.receive(json.decodeClientMessage(text), text.length);
      return;
    }
    const framer = new Framer(1 << 20);
    framer.push(encodeClientMessage(message));
    const frame = framer.next()!;
    this.receiver!.receive(decodeClientMessage(frame), frame.byteLength);
  }

  openLane(): Lane | undefined {
    const open = this.opened.filter((lane) => !lane.closed).length;
    if (open >= (this.#options.lanes ?? 0)) return undefined;
    const lane = new PairedLane(this);
    this.opened.push(lane);
    return lane;
  }

  sendDatagram(messages: readonly EncodedMessage[], head = new Uint8Array(0)): boolean {
    const bytes = concat([head, ...messages.map((message) => message.bytes("binary"))]);
    if (bytes.byteLength > this.maxDatagramSize || this.ended !== undefined) return false;
    const { random = () => 1, loss = 0 } = this.#options;
    const chance = random();
    if (chance < loss) return true;
    if (chance < loss * 2) this.#late.push(bytes);
    else this.arrive(bytes, "datagram");
    return true;
  }

  /** Lets datagrams arrive that are late, the latest first. */
  arriveLate(): void {
    const late = this.#late.reverse();
    this.#late = [];
    for (const bytes of late) this.arrive(bytes, "datagram");
  }

  /** Loses datagrams that are late. */
  loseLate(): void {
    this.#late = [];
  }

  close(code: number, reason: string): void {
    if (this.ended !== undefined) return;
    for (const lane of [this.control, ...this.opened]) lane.arriveAll();
    this.#end({ code, reason });
  }

  /** The network goes away; what is under way is lost. */
  cut(): void {
    this.#end({ code: CloseCode.TRANSPORT_LOST, reason: "cut" });
  }

  /** Stalls or releases every lane there is. */
  set stalled(stalled: boolean) {
    for (const lane of [this.control, ...this.opened]) lane.stalled = stalled;
  }

  arrive(bytes: Uint8Array, lane: PairedLane | "datagram"): void {
    if (this.ended !== undefined) return;
    if (this.encoding === "json") {
      for (const line of new TextDecoder().decode(bytes).split("\n")) {
        this.client.message(json.decodeServerMessage(line), lane);
      }
      return;
    }
    const framer = new Framer(1 << 24);
    framer.push(bytes);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      this.client.message(decodeServerMessage(frame), lane);
    }
  }

  #end(info: CloseInfo): void {
    if (this.ended !== undefined) return;
    this.ended = info;
    this.receiver?.closed(info);
    this.client.closed(info);
  }
}

/** A lane that delivers at once, unless it is stalled. */
export class PairedLane implements Lane {
  bufferedBytes = 0;
  /** Messages written and not yet taken by the network. */
  bufferedMessages = 0;
  closed = false;
  /** How often it was written to. */
  writes = 0;
  readonly #transport: PairedTransport;
  #buffered: Uint8Array[] = [];
  #stalled = false;

  constructor(transport: PairedTransport) {
    this.#transport = transport;
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  set stalled(stalled: boolean) {
    this.#stalled = stalled;
    if (stalled) return;
    const wasFull = this.bufferedBytes >= this.#transport.highWaterBytes;
    this.arriveAll();
    if (wasFull && this.#transport.ended === undefined) this.#transport.receiver!.drained(this);
  }

  write(messages: readonly EncodedMessage[]): void {
    if (this.closed) throw new Error("A message was written to a closed lane");
    this.writes++;
    const { encoding } = this.#transport;
    const parts = messages.map((message) => message.bytes(encoding));
    const bytes = concat(parts, encoding === "json" ? LINE_BREAK : NOTHING);
    if (!this.#stalled) return this.#transport.arrive(bytes, this);
    this.#buffered.push(bytes);
    this.bufferedMessages += messages.length;
    this.bufferedBytes += bytes.byteLength;
  }

  close(): void {
    if (this !== this.#transport.control) this.closed = true;
  }

  arriveAll(): void {
    const buffered = this.#buffered;
    this.#buffered = [];
    this.bufferedBytes = 0;
    this.bufferedMessages = 0;
    for (const bytes of buffered) this.#transport.arrive(bytes, this);
  }
}

const LINE_BREAK = new Uint8Array([10]);
const NOTHING = new Uint8Array(0);

function concat(parts: readonly Uint8Array[], separator: Uint8Array = NOTHING): Uint8Array {
  const all = parts.flatMap((part, at) => at === 0 ? [part] : [separator, part]);
  const bytes = new Uint8Array(all.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of all) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
