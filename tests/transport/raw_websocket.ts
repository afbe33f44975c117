import { concat } from "../bytes.ts";

const CONTINUATION_OF_TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;

/** What came in one frame. */
export interface RawFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/**
 * A WebSocket client on bare TCP, which can stop reading and break off: no `WebSocket` can.
 */
export class RawWebSocket {
  readonly #tcp: Deno.TcpConn;
  #buffered = new Uint8Array(0);
  #ended = false;

  private constructor(tcp: Deno.TcpConn) {
    this.#tcp = tcp;
  }

  /** @throws {Error} If the answer is not 101. */
  static async connect(port: number, subprotocol: string, path = "/"): Promise<RawWebSocket> {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
    const socket = new RawWebSocket(tcp);
    await socket.#write(
      new TextEncoder().encode(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
          "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
      ),
    );
    const head = await socket.#readHead();
    if (!head.startsWith("HTTP/1.1 101")) {
      tcp.close();
      throw new Error(`101 was expected: ${head}`);
    }
    return socket;
  }

  sendBinary(payload: Uint8Array): Promise<void> {
    return this.#sendFrame(BINARY, payload);
  }

  sendText(text: string): Promise<void> {
    return this.#sendFrame(CONTINUATION_OF_TEXT, new TextEncoder().encode(text));
  }

  sendClose(code: number, reason: string): Promise<void> {
    const payload = Uint8Array.of(code >> 8, code & 0xff, ...new TextEncoder().encode(reason));
    return this.#sendFrame(CLOSE, payload);
  }

  /** The next frame, or `undefined` when TCP has ended. */
  async readFrame(): Promise<RawFrame | undefined> {
    const head = await this.#read(2);
    if (head === undefined) return undefined;
    let length = head[1]! & 0x7f;
    if (length >= 126) {
      const bytes = await this.#read(length === 126 ? 2 : 8);
      if (bytes === undefined) return undefined;
      length = bytes.reduce((value, byte) => value * 256 + byte, 0);
    }
    const payload = await this.#read(length);
    return payload === undefined ? undefined : { opcode: head[0]! & 0x0f, payload };
  }

  /** Ends TCP, whatever the state. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tcp.close();
  }

  #sendFrame(opcode: number, payload: Uint8Array): Promise<void> {
    const { length } = payload;
    const head = length < 126
      ? [0x80 | opcode, 0x80 | length]
      : length < 65_536
      ? [0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff]
      : [0x80 | opcode, 0x80 | 127, 0, 0, 0, 0, ...bigEndian(length)];
    // A mask of zeros leaves the payload as it is.
    return this.#write(concat(Uint8Array.from(head), new Uint8Array(4), payload));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#tcp.write(bytes.subarray(at));
  }

  async #readHead(): Promise<string> {
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      const byte = await this.#read(1);
      if (byte === undefined) break;
      head += String.fromCharCode(byte[0]!);
    }
    return head;
  }

  async #read(length: number): Promise<Uint8Array | undefined> {
    while (this.#buffered.length < length) {
      const chunk = new Uint8Array(65_536);
      let count: number | null;
      try {
        count = await this.#tcp.read(chunk);
      } catch {
        count = null;
      }
      if (count === null) return undefined;
      this.#buffered = concat(this.#buffered, chunk.subarray(0, count));
    }
    const bytes = this.#buffered.slice(0, length);
    this.#buffered = this.#buffered.subarray(length);
    return bytes;
  }
}

function bigEndian(value: number): number[] {
  return [value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}
