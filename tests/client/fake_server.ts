import { decodeClientMessage } from "../../src/protocol/binary_client.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { Framer } from "../../src/protocol/framer.ts";
import type { ClientMessage, Connected, ServerMessage } from "../../src/protocol/message.ts";
import { seededRandom } from "../../src/policy/random.ts";
import type { Environment } from "../../src/client/environment.ts";
import {
  type OpenTransport,
  Transport,
  type TransportKind,
  type TransportReceiver,
} from "../../src/client/transports/transport.ts";
import { FakeClock } from "../fake_clock.ts";

/** A transport in this process: shows what the client sends, and sends what a test says. */
export class FakeTransport extends Transport {
  override readonly encoding = "binary";
  override readonly kind: TransportKind;
  override bufferedBytes = 0;
  /** Each write of the client, decoded. */
  readonly writes: ClientMessage[][] = [];
  readonly datagrams: ClientMessage[] = [];
  /** How the client closed it. */
  closedWith: { code: number; reason: string } | undefined;
  datagramSize = 0;

  constructor(kind: TransportKind, receiver: TransportReceiver) {
    super(receiver);
    this.kind = kind;
  }

  override get maxDatagramSize(): number {
    return this.datagramSize;
  }

  /** What the client sent but for pings and pongs. */
  get received(): ClientMessage[] {
    return this.writes.flat().filter(({ type }) => type !== "ping" && type !== "pong");
  }

  override write(messages: readonly Uint8Array[]): void {
    this.writes.push(messages.map(decode));
  }

  override sendDatagram(message: Uint8Array): boolean {
    this.datagrams.push(decode(message));
    return true;
  }

  deliver(...messages: ServerMessage[]): void {
    this.take(1, (receive) => messages.forEach(receive));
  }

  /** Ends it from the server's side. */
  cut(code: number = CloseCode.TRANSPORT_LOST, reason = ""): void {
    this.end({ code, reason });
  }

  protected override release(code: number, reason: string): void {
    this.closedWith = { code, reason };
  }
}

function decode(message: Uint8Array): ClientMessage {
  const framer = new Framer(message.length);
  framer.push(message);
  return decodeClientMessage(framer.next()!);
}

/** A server and the network before it, in the hands of a test. */
export class FakeServer {
  readonly clock = new FakeClock();
  /** Every transport that was opened, in this order. */
  readonly transports: FakeTransport[] = [];
  /** How often the client has asked what there is. */
  asked = 0;
  /** The session and ticket that it showed when it asked last. */
  resume: string | undefined;
  /** What opening each kind comes to: an error, or a wait for ever. */
  readonly blocked: { [Kind in TransportKind]?: Error | "silence" } = {};
  /** What asking for `/rt/info` comes to. */
  infoError: Error | undefined;
  datagramSize = 0;
  awake: () => void = () => {};
  readonly stored = new Map<string, string>();

  /** The transport that was opened last. */
  get transport(): FakeTransport {
    return this.transports[this.transports.length - 1]!;
  }

  environment(seed = 1): Environment {
    return {
      clock: this.clock,
      random: seededRandom(seed),
      wallClockMs: () => this.clock.now(),
      storage: {
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => void this.stored.set(key, value),
        removeItem: (key) => void this.stored.delete(key),
      },
      fetchServerInfo: (_base, _signal, resume) => {
        this.asked++;
        this.resume = resume;
        if (this.infoError !== undefined) return Promise.reject(this.infoError);
        return Promise.resolve({
          protocol: "slipstream.v1",
          transports: ["webtransport", "websocket", "sse"],
          maxMessageBytes: 65_536,
          heartbeat: { intervalMs: 30_000, misses: 3 },
          reconnectSpreadMs: 4000,
        });
      },
      transports: {
        webtransport: this.#opener("webtransport"),
        websocket: this.#opener("websocket"),
        sse: this.#opener("sse"),
      },
      onAwake: (listener) => {
        this.awake = listener;
        return () => this.awake = () => {};
      },
    };
  }

  /** Answers the `connect` that waits on the newest transport. */
  connected(answer: Partial<Connected> = {}): void {
    const { transport } = this;
    const connect = transport.received.find(({ type }) => type === "connect");
    if (connect?.type !== "connect") throw new Error("The client has not sent connect");
    transport.deliver({
      type: "connected",
      id: connect.id,
      session: "s1",
      ticket: "t1",
      resumed: connect.resume !== undefined,
      resumeWindowMs: 60_000,
      pingIntervalMs: 30_000,
      pingMisses: 3,
      reconnectSpreadMs: 4000,
      maxMessageBytes: 65_536,
      ...answer,
    });
  }

  #opener(kind: TransportKind): OpenTransport {
    return (_target, receiver, signal) => {
      const blocked = this.blocked[kind];
      if (blocked instanceof Error) return Promise.reject(blocked);
      if (blocked === "silence") {
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      }
      const transport = new FakeTransport(kind, receiver);
      transport.datagramSize = this.datagramSize;
      this.transports.push(transport);
      return Promise.resolve(transport);
    };
  }
}
