import { SeenMarks } from "../../src/client/seen_marks.ts";
import type { CloseInfo } from "../../src/protocol/close_code.ts";
import type {
  ClientMessage,
  Connected,
  Position,
  ServerMessage,
} from "../../src/protocol/message.ts";
import {
  type PairedLane,
  PairedTransport,
  type PairedTransportOptions,
} from "../paired_transport.ts";
import { type TestNode, text, textOf } from "./node.ts";

/** A client as the SDK is one: it keeps positions and values, and breaks if a promise is broken. */
export class TestClient {
  /** Everything that came, in order. */
  readonly received: ServerMessage[] = [];
  /** On which lane each of `received` came. */
  readonly lanes: (PairedLane | "datagram")[] = [];
  readonly closes: CloseInfo[] = [];
  /** Of each `ordered` channel, where the client is. */
  readonly positions = new Map<string, Position>();
  /** Of each `ordered` channel, the values that came, and "?n" for a gap of n. */
  readonly log = new Map<string, string[]>();
  /** Of each `latest` channel, the newest value of each key. */
  readonly values = new Map<string, Map<string, { offset: number; value: string | undefined }>>();
  readonly #epochs = new Map<string, string>();
  /** Whether it says which datagrams have come, as the SDK does. */
  acknowledges = false;
  transport!: PairedTransport;
  #marks: SeenMarks | undefined;
  connected: Connected | undefined;
  /** What it shows when it connects. */
  token: string | undefined;
  #id = 0;

  /** Attaches to a node by a new transport; continues the session if there was one. */
  connect(node: TestNode, options: PairedTransportOptions = {}): void {
    const { connected } = this;
    this.open(node, options);
    const positions = [...this.positions].map(([channel, position]) => ({ channel, ...position }));
    this.send({
      type: "connect",
      id: ++this.#id,
      ...(this.token !== undefined && { token: this.token }),
      ...(connected && {
        resume: { session: connected.session, ticket: connected.ticket, positions },
      }),
    });
  }

  /** Opens a transport, and says nothing. */
  open(node: TestNode, options: PairedTransportOptions = {}): void {
    // What a replaced transport still brings is not looked at: its positions were given away.
    const transport: PairedTransport = new PairedTransport({
      message: (message, lane) => transport === this.transport && this.message(message, lane),
      closed: (info) => this.closes.push(info),
    }, options);
    this.transport = transport;
    this.#marks?.stop();
    this.#marks = new SeenMarks(node.clock, (newest, missing) => {
      if (this.acknowledges) transport.send({ type: "seen", newest, missing });
    });
    transport.receiver = node.sessions.accept(transport);
  }

  send(message: ClientMessage): void {
    this.transport.send(message);
  }

  subscribe(channel: string, position = this.positions.get(channel)): number {
    this.send({ type: "subscribe", id: ++this.#id, channel, ...(position && { position }) });
    return this.#id;
  }

  unsubscribe(channel: string): number {
    this.send({ type: "unsubscribe", id: ++this.#id, channel });
    return this.#id;
  }

  publish(channel: string, value: string, key?: string): number {
    this.send({
      type: "publish",
      id: ++this.#id,
      channel,
      data: text(value),
      ...(key !== undefined && { key }),
    });
    return this.#id;
  }

  /** What has come since the last call, in order. */
  take(): ServerMessage[] {
    this.lanes.length = 0;
    return this.received.splice(0);
  }

  nextId(): number {
    return ++this.#id;
  }

  message(message: ServerMessage, lane: PairedLane | "datagram"): void {
    if (message.type === "mark") return this.#marks!.add(message.number);
    this.received.push(message);
    this.lanes.push(lane);
    if (message.type === "connected") this.connected = message;
    else if (message.type === "subscribed") this.#subscribed(message);
    else if (message.type === "gap") this.#gap(message.channel, message.position, message.missed);
    else if (message.type === "publication") {
      const { channel, key, offset, removed, data } = message;
      const value = removed ? undefined : textOf(data);
      if (key === undefined) this.#ordered(channel, offset, value!);
      else this.#latest(channel, key, offset, value);
    }
  }

  #subscribed({ channel, delivery, position, recovered }: ServerMessage & { type: "subscribed" }) {
    if (delivery === "latest") return this.#setEpoch(channel, position.epoch);
    const before = this.positions.get(channel);
    this.positions.set(channel, position);
    const log = this.#logOf(channel);
    if (before === undefined) return;
    if (recovered) {
      if (before.epoch !== position.epoch || before.offset !== position.offset) {
        throw new Error(`Recovered at ${position.offset}, the client was at ${before.offset}`);
      }
    } else {
      log.push(before.epoch === position.epoch ? `?${position.offset - before.offset}` : "?");
    }
  }

  #gap(channel: string, position: Position, missed: number | undefined) {
    const before = this.positions.get(channel);
    if (before === undefined) return this.#setEpoch(channel, position.epoch);
    if (before.epoch === position.epoch && position.offset - before.offset !== missed) {
      throw new Error(`A gap of ${missed} from ${before.offset} to ${position.offset}`);
    }
    this.positions.set(channel, position);
    this.#logOf(channel).push(`?${missed ?? ""}`);
  }

  #ordered(channel: string, offset: number, value: string) {
    const before = this.positions.get(channel);
    if (before === undefined) throw new Error(`A publication before subscribed: ${channel}`);
    if (offset !== before.offset + 1) {
      throw new Error(`Offset ${offset} came after ${before.offset} in ${channel}`);
    }
    this.positions.set(channel, { epoch: before.epoch, offset });
    this.#logOf(channel).push(value);
  }

  #latest(channel: string, key: string, offset: number, value: string | undefined) {
    let values = this.values.get(channel);
    if (values === undefined) this.values.set(channel, values = new Map());
    const held = values.get(key);
    if (held === undefined || offset > held.offset) values.set(key, { offset, value });
  }

  #setEpoch(channel: string, epoch: string) {
    if (this.#epochs.get(channel) !== epoch) this.values.delete(channel);
    this.#epochs.set(channel, epoch);
  }

  #logOf(channel: string): string[] {
    let log = this.log.get(channel);
    if (log === undefined) this.log.set(channel, log = []);
    return log;
  }
}
