import { SENDER } from "./test_peer.ts";
import { CapsuleParser } from "../../src/http3/capsule.ts";
import { decodeServerMessage, encodeClientMessage } from "../../src/protocol/binary.ts";
import type { CloseInfo } from "../../src/protocol/close_code.ts";
import { Framer } from "../../src/protocol/framer.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/message.ts";
import type { StreamLane } from "../../src/transport/stream_lane.ts";
import type { Transport } from "../../src/transport/transport.ts";
import type { TransportOptions } from "../../src/transport/transport_options.ts";
import { WebTransportHandler } from "../../src/transport/webtransport.ts";
import {
  CapsuleType,
  decodeCloseCapsule,
  encodeCloseCapsule,
} from "../../src/webtransport/close_capsule.ts";
import { concat } from "../bytes.ts";
import type { RawStream } from "../conformance/raw_quic_client.ts";
import {
  bidirectionalHeader,
  CONNECT,
  data,
  type RawSession,
  TestServer,
  unidirectionalHeader,
} from "../conformance/server.ts";
import { until } from "../until.ts";
import { MessageQueue } from "./message_queue.ts";
import { Recorder, type TestPeer } from "./test_peer.ts";

/** A WebTransport session over loopback QUIC; its client sends bytes of its own. */
export class WebTransportPeer implements TestPeer {
  readonly transport: Transport;
  readonly receiver: Recorder;
  readonly session: RawSession;
  readonly #server: TestServer;
  readonly #control: RawStream;
  readonly #queue: MessageQueue;
  readonly #closed: Promise<CloseInfo>;

  private constructor(
    server: TestServer,
    session: RawSession,
    transport: Transport,
    receiver: Recorder,
    control: RawStream,
  ) {
    this.#server = server;
    this.session = session;
    this.transport = transport;
    this.receiver = receiver;
    this.#control = control;
    this.#queue = queueOf(async () => {
      const chunk = await control.read();
      // The answer to the server's end: all was read.
      if (chunk === undefined) await control.end().catch(() => {});
      return chunk;
    });
    this.#closed = readClose(session);
    this.#closed.catch(() => {});
  }

  static async open(options: Partial<TransportOptions> = {}): Promise<WebTransportPeer> {
    const handler = new WebTransportHandler(options);
    const receiver = new Recorder();
    const accepted = Promise.withResolvers<Transport>();
    const server = new TestServer({
      onWebTransport: async (request) =>
        handler.handle(await request.accept(), SENDER, (transport) => {
          accepted.resolve(transport);
          return receiver;
        }),
    });
    const session = await server.connectSession(CONNECT);
    const control = await session.client.openBidirectional(bidirectionalHeader(session.id));
    const transport = await accepted.promise;
    await until(() => (transport.control as StreamLane).attached, "the control stream is there");
    return new WebTransportPeer(server, session, transport, receiver, control);
  }

  get closed(): Promise<CloseInfo> {
    return this.#closed;
  }

  send(...messages: ClientMessage[]): Promise<void> {
    return this.sendBytes(concat(...messages.map(encodeClientMessage)));
  }

  sendGarbage(): Promise<void> {
    return this.sendBytes(Uint8Array.of(2, 0x7f, 0));
  }

  /** Sends `bytes` on the control stream. */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#control.write(bytes);
  }

  /** Sends FIN on the control stream. */
  endControl(): Promise<void> {
    return this.#control.end();
  }

  /** Tells the server to stop sending on the control stream. */
  stopControl(): Promise<void> {
    return this.#control.cancel();
  }

  sendDatagram(payload: Uint8Array): Promise<void> {
    return this.session.client.sendDatagram(this.session.id, payload);
  }

  readDatagram(): Promise<Uint8Array> {
    return this.session.client.readDatagram();
  }

  /** The messages of each unidirectional stream of the session, in the order they are seen. */
  async *lanes(): AsyncGenerator<MessageQueue> {
    const header = unidirectionalHeader(this.session.id);
    for await (const readable of this.session.client.conn.incomingUnidirectionalStreams) {
      const reader = readable.getReader();
      let { value: start = new Uint8Array(0) } = await reader.read();
      while (start.length < header.length && start[0] === header[0]) {
        const { value, done } = await reader.read();
        if (done) break;
        start = concat(start, value);
      }
      // The server's control and QPACK streams stay open, too.
      if (!header.every((byte, index) => start[index] === byte)) {
        keptReaders.push(reader);
        continue;
      }
      let first: Uint8Array | undefined = start.subarray(header.length);
      yield queueOf(async () => {
        const chunk = first ?? (await reader.read()).value;
        first = undefined;
        return chunk;
      });
    }
  }

  next(): Promise<ServerMessage> {
    return this.#queue.next();
  }

  drain(): void {
    this.#queue.drain();
  }

  async close(code: number, reason: string): Promise<void> {
    await this.session.stream.write(data(encodeCloseCapsule({ closeCode: code, reason })));
    await this.session.stream.end();
  }

  cut(): Promise<void> {
    return this.session.client.close(0x102);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.client.close();
    await this.receiver.ending;
    await this.#server.close();
  }
}

/** Streams that nobody reads must not be collected. */
const keptReaders: unknown[] = [];

function queueOf(read: () => Promise<Uint8Array | undefined>): MessageQueue {
  const framer = new Framer(1 << 24);
  return new MessageQueue(async () => {
    const chunk = await read();
    if (chunk === undefined) return undefined;
    framer.push(chunk);
    const messages: ServerMessage[] = [];
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      messages.push(decodeServerMessage(frame));
    }
    return messages;
  });
}

/** Reads the close capsule of the server, and answers it as a browser does. */
async function readClose({ stream }: RawSession): Promise<CloseInfo> {
  const capsules = new CapsuleParser({
    maxCapsuleBytes: 2_000,
    known: new Set(Object.values(CapsuleType)),
  });
  for (let frame; (frame = await stream.readFrame()) !== undefined;) {
    if (frame.type !== "data") continue;
    capsules.push(frame.chunk);
    for (let next = capsules.next(); next !== undefined; next = capsules.next()) {
      if (next.type !== CapsuleType.CLOSE_WEBTRANSPORT_SESSION) continue;
      const { closeCode, reason } = decodeCloseCapsule(next.payload);
      await stream.end();
      return { code: closeCode, reason };
    }
  }
  throw new Error("A close capsule was expected: FIN");
}
