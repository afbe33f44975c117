import { Buffer } from "node:buffer";
import net from "node:net";
import { encodeClientMessage as encodeBinary } from "../../../src/protocol/binary.ts";
import { encodeClientMessage as encodeJson } from "../../../src/protocol/json.ts";
import type { ClientMessage } from "../../../src/protocol/message.ts";
import type { StampReader } from "./stamp.ts";

/** Where a subscriber goes and what it wants. */
export interface Target {
  /** @default "127.0.0.1" */
  readonly host?: string;
  readonly port: number;
  readonly channel: string;
  /** Trusted for TLS, in PEM; only QUIC needs it. */
  readonly certPem?: string;
}

/** Gets one subscriber going; resolves when publications reach it. */
export type Subscribe = (target: Target, reader: StampReader) => Promise<void>;

/** A `ws` server: who is connected is subscribed. */
export const subscribeWs: Subscribe = async (target, reader) => {
  const dialogue = new Dialogue(target, reader);
  dialogue.send(upgradeRequest("/"));
  await dialogue.until(/\r\n\r\n/);
  dialogue.stream();
};

/** A Socket.IO server (Engine.IO 4): subscribed once the namespace is joined. */
export const subscribeSocketIo: Subscribe = async (target, reader) => {
  const dialogue = new Dialogue(target, reader);
  dialogue.send(upgradeRequest("/socket.io/?EIO=4&transport=websocket"));
  await dialogue.until(/"sid"/);
  dialogue.send(webSocketFrame(Buffer.from("40"), 0x1));
  await dialogue.until(/40\{/);
  dialogue.stream();
};

/** Slipstream's binary subprotocol. */
export const subscribeWebSocket: Subscribe = async (target, reader) => {
  const dialogue = new Dialogue(target, reader);
  dialogue.send(upgradeRequest("/rt/ws", "slipstream.v1.binary"));
  await dialogue.until(/\r\n\r\n/);
  dialogue.send(webSocketFrame(Buffer.concat(firstMessages(target).map(encodeBinary)), 0x2));
  await dialogue.until(new RegExp(target.channel));
  dialogue.stream();
};

/** Slipstream over SSE as its client does it: the stream down, the commands by POST. */
export const subscribeSse: Subscribe = async (target, reader) => {
  const dialogue = new Dialogue(target, reader);
  dialogue.send(
    `GET /rt/sse HTTP/1.1\r\nhost: ${host(target.port)}\r\norigin: ${
      origin(target.port)
    }\r\naccept: text/event-stream\r\n\r\n`,
  );
  const opened = await dialogue.until(/"transport":"([^"]+)"/);
  const response = await fetch(`${origin(target.port)}/rt/send`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "slipstream-transport": opened,
      origin: origin(target.port),
    },
    body: firstMessages(target).map(encodeJson).join("\n"),
  });
  if (response.status !== 204) {
    throw new Error(`POST /rt/send failed: ${response.status} ${await response.text()}`);
  }
  await dialogue.until(new RegExp(target.channel));
  dialogue.stream();
};

/** What a Slipstream client says first. */
export function firstMessages(target: Target): ClientMessage[] {
  return [
    { type: "connect", id: 1 },
    { type: "subscribe", id: 2, channel: target.channel },
  ];
}

function host(port: number): string {
  return `localhost:${port}`;
}

function origin(port: number): string {
  return `http://${host(port)}`;
}

function upgradeRequest(path: string, subprotocol?: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: PORT\r\norigin: http://PORT\r\n` +
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    (subprotocol ? `sec-websocket-protocol: ${subprotocol}\r\n` : "") + "\r\n";
}

/** A masked frame whose mask is zero, so that the payload stays as it is (RFC 6455 §5.3). */
function webSocketFrame(payload: Uint8Array, opcode: number): Uint8Array {
  if (payload.length > 125) throw new RangeError(`frame over 125 bytes: ${payload.length}`);
  return Buffer.concat([Uint8Array.of(0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0), payload]);
}

/** How long a subscriber may take to get going, in milliseconds. */
const DIALOGUE_TIMEOUT_MS = 30_000;
/** All sockets of the process read into it in turn: no allocation per read. */
const readBuffer = Buffer.allocUnsafe(65_536);

/** One socket: first asks and answers as text, then a stream of stamps. */
class Dialogue {
  readonly #socket: net.Socket;
  readonly #port: number;
  readonly #reader: StampReader;
  #heard = "";
  #streaming = false;
  #waiting: { pattern: RegExp; done: (match: string) => void } | undefined;
  #failed: (error: Error) => void = () => {};
  #failure: Error | undefined;

  constructor({ host: address = "127.0.0.1", port }: Target, reader: StampReader) {
    this.#port = port;
    this.#reader = reader;
    this.#socket = net.connect({
      host: address,
      port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length: number, bytes: Uint8Array) => {
          if (this.#streaming) this.#reader.read(bytes, length);
          else this.#hear(Buffer.from(bytes.subarray(0, length)).toString("latin1"));
          return true;
        },
      },
    } as net.NetConnectOpts);
    this.#socket.on("error", (error: Error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error(`socket closed after: ${this.#heard}`)));
  }

  send(data: string | Uint8Array): void {
    this.#socket.write(
      typeof data === "string" ? data.replaceAll("PORT", host(this.#port)) : data,
    );
  }

  /** Waits for a text; gives its first group, if it has one. */
  async until(pattern: RegExp): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(
      () => this.#fail(new Error(`no ${pattern} in time: ${this.#heard}`)),
      DIALOGUE_TIMEOUT_MS,
    );
    this.#failed = reject;
    this.#waiting = { pattern, done: resolve };
    if (this.#failure) reject(this.#failure);
    this.#hear("");
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  stream(): void {
    this.#streaming = true;
    this.#heard = "";
  }

  #hear(text: string): void {
    this.#heard += text;
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const match = this.#heard.match(waiting.pattern);
    if (match === null) return;
    this.#waiting = undefined;
    waiting.done(match[1] ?? match[0]);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting = undefined;
    this.#failed(this.#failure);
  }
}
