import { concat } from "../../protocol/concat.ts";
import { decodeServerMessage as decodeBinary } from "../../protocol/binary_server.ts";
import { CloseCode } from "../../protocol/close_code.ts";
import { cutReason, MAX_WEBSOCKET_REASON_BYTES } from "../../protocol/close_reason.ts";
import type { Encoding } from "../../protocol/encoded_message.ts";
import { Framer } from "../../protocol/framer.ts";
import { decodeServerMessage as decodeJson } from "../../protocol/json_server.ts";
import { messageTooLarge } from "../../protocol/protocol_error.ts";
import { SUBPROTOCOL } from "../../protocol/subprotocol.ts";
import { entrance, type Target, Transport, type TransportReceiver } from "./transport.ts";

/** Opens a WebSocket (RFC 6455) at `/rt/ws`. */
export function openWebSocket(
  target: Target,
  receiver: TransportReceiver,
  signal: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const url = entrance("/rt/ws", target);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, SUBPROTOCOL[target.encoding]);
    socket.binaryType = "arraybuffer";
    signal.addEventListener("abort", () => {
      socket.onopen = socket.onclose = socket.onerror = null;
      socket.close();
      reject(signal.reason);
    });
    // The browser tells the page nothing of why.
    socket.onerror = () => {};
    socket.onclose = (event) => {
      reject(new Error(`The WebSocket did not open: ${event.code} ${event.reason}`.trimEnd()));
    };
    socket.onopen = () => resolve(new WebSocketTransport(socket, target, receiver));
  });
}

class WebSocketTransport extends Transport {
  override readonly kind = "websocket";
  override readonly encoding: Encoding;
  readonly #socket: WebSocket;
  readonly #framer: Framer;
  readonly #maxIncomingBytes: number;

  constructor(socket: WebSocket, target: Target, receiver: TransportReceiver) {
    super(receiver);
    this.encoding = target.encoding;
    this.#socket = socket;
    this.#maxIncomingBytes = target.maxIncomingBytes;
    this.#framer = new Framer(target.maxIncomingBytes);
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => this.#arrived(event.data);
    socket.onclose = (event) => {
      // Codes below 3000 are the protocol's own: the server did not say why.
      const code = event.code < 3000 ? CloseCode.TRANSPORT_LOST : event.code;
      this.end({ code, reason: event.reason });
    };
  }

  override get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  override write(messages: readonly Uint8Array[]): void {
    // A closing socket takes and drops what is sent; its `close` event follows.
    if (this.encoding === "binary") this.#socket.send(concat(messages) as BufferSource);
    else this.#socket.send(messages.map((message) => decoder.decode(message)).join("\n"));
  }

  protected override release(code: number, reason: string): void {
    this.#socket.close(code, cutReason(reason, MAX_WEBSOCKET_REASON_BYTES));
  }

  #arrived(data: ArrayBuffer | string): void {
    if (typeof data === "string") {
      this.take(data.length, (receive) => {
        for (const line of data.split("\n")) {
          if (line.length > this.#maxIncomingBytes) {
            throw messageTooLarge(this.#maxIncomingBytes, line.length);
          }
          receive(decodeJson(line));
        }
      });
      return;
    }
    this.take(data.byteLength, (receive) => {
      this.#framer.push(new Uint8Array(data));
      for (let frame = this.#framer.next(); frame !== undefined; frame = this.#framer.next()) {
        receive(decodeBinary(frame));
      }
    });
  }
}

const decoder = new TextDecoder();
