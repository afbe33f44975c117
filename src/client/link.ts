import { encodeClientMessage as encodeBinary } from "../protocol/binary_client.ts";
import { CloseCode, type CloseInfo } from "../protocol/close_code.ts";
import { encodeClientMessage as encodeJson } from "../protocol/json_client.ts";
import type {
  ClientMessage,
  Publish,
  Seen,
  ServerMessage,
  ServerPong,
} from "../protocol/message.ts";
import type { Environment } from "./environment.ts";
import { SeenMarks } from "./seen_marks.ts";
import { StallDetector } from "./stall.ts";
import type { Transport, TransportReceiver } from "./transports/transport.ts";
import { Watch } from "./watch.ts";

/** Messages and bytes of a client, over all its transports. */
export interface Traffic {
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** Who uses a {@linkcode Link}. */
export interface LinkOwner {
  readonly traffic: Traffic;
  receive(link: Link, message: ServerMessage): void;
  closed(link: Link, info: CloseInfo): void;
  /** The path of the link is broken, or `slow`. */
  stalled(link: Link, reason: string, slow: boolean): void;
  /** Calls `flush()` at the end of this turn. */
  schedule(): void;
}

/** One transport in the hands of a client: encodes, and sends each turn's messages as one write. */
export class Link implements TransportReceiver {
  /** Whether the server answers over this link. */
  readonly watch: Watch;
  /** Whether a stream of messages breaks off. */
  readonly stall: StallDetector;
  /** What was opened for this link; nothing can be asked of the link before that. */
  transport!: Transport;
  /** Largest message that the server takes, in bytes, once it has said so. */
  maxMessageBytes = Infinity;
  readonly #owner: LinkOwner;
  readonly #marks: SeenMarks;
  #queue: Uint8Array[] = [];

  constructor(owner: LinkOwner, { clock, random }: Pick<Environment, "clock" | "random">) {
    this.#owner = owner;
    this.watch = new Watch(clock, random, {
      ping: (id) => this.send({ type: "ping", id }),
      dead: (reason) => this.close(CloseCode.PING_TIMEOUT, reason),
    });
    this.#marks = new SeenMarks(clock, (newest, missing) => {
      const seen = { type: "seen", newest, missing } as const;
      if (!this.transport.ended && !this.sendDatagram(seen)) this.send(seen);
    });
    this.stall = new StallDetector(clock, {
      rtt: this.watch.rtt,
      ping: () => this.watch.ping(),
      stalled: (reason, slow) => owner.stalled(this, reason, slow),
    });
  }

  /** Called once, with the transport that was opened for this link. */
  attach(transport: Transport): this {
    this.transport = transport;
    return this;
  }

  /** Whether so much waits for the network that what can be conflated should be. */
  get congested(): boolean {
    return this.transport.bufferedBytes > HIGH_WATER_BYTES;
  }

  /**
   * Queues a message for the end of this turn.
   *
   * @throws {RangeError} If the server would refuse it for its size, which would end the session.
   */
  send(message: ClientMessage): void {
    this.#queue.push(this.#encode(message));
    this.#owner.traffic.messagesOut++;
    this.#owner.schedule();
  }

  /**
   * Sends a publication, or what was seen, as a datagram. False, and nothing sent, if it cannot be
   * one now.
   */
  sendDatagram(message: Publish | Seen): boolean {
    const { transport } = this;
    const most = transport.maxDatagramSize;
    // A payload alone over it need not be encoded to know.
    if (message.type === "publish" && message.data.bytes.length > most) return false;
    const bytes = this.#encode(message);
    if (bytes.length > most || !transport.sendDatagram(bytes)) return false;
    this.#owner.traffic.messagesOut++;
    this.#owner.traffic.bytesOut += bytes.length;
    return true;
  }

  /** Sends what this turn has queued. */
  flush(): void {
    const { transport } = this;
    if (this.#queue.length === 0 || transport.ended) return;
    const queue = this.#queue;
    this.#queue = [];
    for (const bytes of queue) this.#owner.traffic.bytesOut += bytes.length;
    transport.write(queue);
    if (transport.bufferedBytes > MAX_BUFFERED_BYTES) {
      this.close(
        CloseCode.TRANSPORT_LOST,
        `The server does not read: ${transport.bufferedBytes} bytes`,
      );
    }
  }

  /** Takes the answer to a ping. */
  pong({ id, time }: ServerPong): void {
    if (this.watch.pong(id, time)) this.stall.measured();
  }

  /** Ends the watching: it is lost or left. */
  stop(): void {
    this.watch.stop();
    this.stall.stop();
    this.#marks.stop();
  }

  /** Sends what is queued, then ends the transport. */
  close(code: number, reason: string): void {
    this.stop();
    this.flush();
    this.transport.close(code, reason);
  }

  /** Closes a transport that was opened, or is left, for another one. */
  abandon(): void {
    this.transport.close(CloseCode.TRANSPORT_LOST, "Another transport is used");
  }

  receive(message: ServerMessage): void {
    if (message.type === "mark") return this.#marks.add(message.number);
    this.#owner.traffic.messagesIn++;
    this.#owner.receive(this, message);
  }

  arrived(bytes: number): void {
    this.#owner.traffic.bytesIn += bytes;
    this.watch.arrived();
    this.stall.arrived();
  }

  closed(info: CloseInfo): void {
    this.stop();
    this.#owner.closed(this, info);
  }

  #encode(message: ClientMessage): Uint8Array {
    const { encoding } = this.transport;
    const bytes = encoding === "binary"
      ? encodeBinary(message)
      : encoder.encode(encodeJson(message));
    if (bytes.length > this.maxMessageBytes) {
      throw new RangeError(
        `A message of at most ${this.maxMessageBytes} bytes was expected: ${bytes.length}`,
      );
    }
    return bytes;
  }
}

/** What a slow path sends in about a second: more of it would only be older. */
const HIGH_WATER_BYTES = 65_536;

/** Far above what the limits of the client's own commands let wait; only the server can cause it. */
const MAX_BUFFERED_BYTES = 33_554_432;

const encoder = new TextEncoder();
