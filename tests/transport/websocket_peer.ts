import { SENDER } from "./test_peer.ts";
import * as binary from "../../src/protocol/binary.ts";
import type { CloseInfo } from "../../src/protocol/close_code.ts";
import type { Encoding } from "../../src/protocol/encoded_message.ts";
import { Framer } from "../../src/protocol/framer.ts";
import * as json from "../../src/protocol/json.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/message.ts";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import type { Transport } from "../../src/transport/transport.ts";
import type { TransportOptions } from "../../src/transport/transport_options.ts";
import { WebSocketHandler } from "../../src/transport/websocket.ts";
import { concat } from "../bytes.ts";
import { MessageQueue } from "./message_queue.ts";
import { RawWebSocket } from "./raw_websocket.ts";
import { Recorder, type TestPeer } from "./test_peer.ts";

const decoder = new TextDecoder();

/** A WebSocket of either dialect over loopback TCP. */
export class WebSocketPeer implements TestPeer {
  readonly transport: Transport;
  readonly receiver: Recorder;
  readonly socket: RawWebSocket;
  /** How many messages each WebSocket message had. */
  readonly batches: number[] = [];
  readonly #encoding: Encoding;
  readonly #server: Deno.HttpServer;
  readonly #stop: AbortController;
  readonly #queue: MessageQueue;

  private constructor(
    encoding: Encoding,
    transport: Transport,
    receiver: Recorder,
    socket: RawWebSocket,
    server: Deno.HttpServer,
    stop: AbortController,
  ) {
    this.#encoding = encoding;
    this.transport = transport;
    this.receiver = receiver;
    this.socket = socket;
    this.#server = server;
    this.#stop = stop;
    this.#queue = new MessageQueue(() => this.#read());
  }

  static async open(
    encoding: Encoding,
    options: Partial<TransportOptions> = {},
  ): Promise<WebSocketPeer> {
    const handler = new WebSocketHandler(options);
    const accepted = Promise.withResolvers<Transport>();
    const receiver = new Recorder();
    const stop = new AbortController();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {}, signal: stop.signal },
      (request, info) =>
        handler.handle(request, { sender: SENDER, completed: info.completed }, (transport) => {
          accepted.resolve(transport);
          return receiver;
        }),
    );
    const socket = await RawWebSocket.connect(server.addr.port, SUBPROTOCOL[encoding]);
    return new WebSocketPeer(encoding, await accepted.promise, receiver, socket, server, stop);
  }

  get closed(): Promise<CloseInfo> {
    return this.#queue.closed;
  }

  send(...messages: ClientMessage[]): Promise<void> {
    return this.#encoding === "binary"
      ? this.socket.sendBinary(concat(...messages.map(binary.encodeClientMessage)))
      : this.socket.sendText(messages.map(json.encodeClientMessage).join("\n"));
  }

  sendGarbage(): Promise<void> {
    return this.#encoding === "binary"
      ? this.socket.sendBinary(Uint8Array.of(2, 0x7f, 0))
      : this.socket.sendText("hello");
  }

  next(): Promise<ServerMessage> {
    return this.#queue.next();
  }

  drain(): void {
    this.#queue.drain();
  }

  close(code: number, reason: string): Promise<void> {
    return this.socket.sendClose(code, reason);
  }

  cut(): Promise<void> {
    this.socket.end();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.end();
    await this.receiver.ending;
    this.#stop.abort();
    await this.#server.finished;
  }

  async #read(): Promise<ServerMessage[] | CloseInfo | undefined> {
    const frame = await this.socket.readFrame();
    if (frame === undefined) return undefined;
    if (frame.opcode === 8) {
      const [high = 0, low = 0] = frame.payload;
      const info = { code: 256 * high + low, reason: decoder.decode(frame.payload.subarray(2)) };
      await this.socket.sendClose(info.code, "").catch(() => {});
      return info;
    }
    const messages = frame.opcode === 1
      ? decoder.decode(frame.payload).split("\n").map(json.decodeServerMessage)
      : decodeFrames(frame.payload);
    this.batches.push(messages.length);
    return messages;
  }
}

function decodeFrames(bytes: Uint8Array): ServerMessage[] {
  const framer = new Framer(1 << 24);
  framer.push(bytes);
  const messages: ServerMessage[] = [];
  for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
    messages.push(binary.decodeServerMessage(frame));
  }
  return messages;
}
