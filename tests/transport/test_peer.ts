import type { CloseInfo } from "../../src/protocol/close_code.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/message.ts";
import type { Lane, Transport, TransportReceiver } from "../../src/transport/transport.ts";
import type { TransportOptions } from "../../src/transport/transport_options.ts";

/** A transport under test, and the raw client at its other end, over a real socket. */
export interface TestPeer extends AsyncDisposable {
  readonly transport: Transport;
  readonly receiver: Recorder;
  /** Sends the messages as one write. */
  send(...messages: ClientMessage[]): Promise<void>;
  /** Sends what is no message. */
  sendGarbage(): Promise<void>;
  /** The next message on the control lane. The client reads for this, and for `drain()`, alone. */
  next(): Promise<ServerMessage>;
  /** Reads and forgets all that comes. */
  drain(): void;
  /** The code and reason that the server gave, once read; rejects if it ended without. */
  readonly closed: Promise<CloseInfo>;
  /** Closes in good order, where the client of this kind can. */
  readonly close: ((code: number, reason: string) => Promise<void>) | undefined;
  /** Breaks off. */
  cut(): Promise<void>;
}

/** Makes a server with one handler, and a client connected to it. */
export type OpenPeer = (options?: Partial<TransportOptions>) => Promise<TestPeer>;

/** Keeps what a transport tells. */
export class Recorder implements TransportReceiver {
  readonly received: ClientMessage[] = [];
  readonly drainedLanes: Lane[] = [];
  readonly closings: CloseInfo[] = [];
  /** What was told after `closed`, which should be nothing. */
  readonly afterClosed: string[] = [];
  /** Settles when the socket has ended of a peer that does not take the close. */
  lingering: Promise<void> | undefined;
  aliveCount = 0;
  /** Called with each message, after it was kept. */
  onReceive: ((message: ClientMessage) => void) | undefined;
  readonly #ending = Promise.withResolvers<CloseInfo>();

  /** How the transport ended. */
  get ending(): Promise<CloseInfo> {
    return this.#ending.promise;
  }

  receive(message: ClientMessage): void {
    this.#note("receive");
    this.received.push(message);
    this.onReceive?.(message);
  }

  alive(): void {
    this.#note("alive");
    this.aliveCount++;
  }

  drained(lane: Lane): void {
    this.#note("drained");
    this.drainedLanes.push(lane);
  }

  closed(info: CloseInfo, lingering?: Promise<void>): void {
    this.lingering = lingering;
    this.#note("closed");
    this.closings.push(info);
    this.#ending.resolve(info);
  }

  #note(what: string): void {
    if (this.closings.length > 0) this.afterClosed.push(what);
  }
}

/** Who every peer of these tests is. */
export const SENDER = { address: "127.0.0.1", exempt: false } as const;
