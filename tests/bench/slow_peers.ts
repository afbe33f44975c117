import { Buffer } from "node:buffer";
import { encodeClientMessage as encodeBinary } from "../../src/protocol/binary.ts";
import { decodeServerMessage } from "../../src/protocol/binary.ts";
import { Framer } from "../../src/protocol/framer.ts";
import { encodeClientMessage as encodeJson } from "../../src/protocol/json.ts";
import type { ClientMessage } from "../../src/protocol/message.ts";
import { CONTROL_HEADER, openWebTransport, write } from "./load/quic.ts";
import type { Target } from "./load/tcp.ts";

/** A transport as `slow_consumers.ts` measures it. */
export type SlowTransport = "websocket" | "sse" | "webtransport";

interface Ticket {
  readonly session: string;
  readonly ticket: string;
}

/** What a peer got before it fell silent. */
interface Opened extends Ticket {
  readonly resumed: boolean;
  close(): void;
}

/**
 * A subscriber that reads until it knows its session, and nothing from then on. Its socket stays
 * open, unread, whatever the server does with it.
 */
export class SlowPeer {
  readonly #transport: SlowTransport;
  readonly #target: Target;
  #opened: Opened | undefined;
  /** How often it was given its session back. */
  resumed = 0;

  constructor(transport: SlowTransport, target: Target) {
    this.#transport = transport;
    this.#target = target;
  }

  async open(): Promise<void> {
    const before = this.#opened;
    const connect: ClientMessage = {
      type: "connect",
      id: 1,
      ...(before && {
        resume: { session: before.session, ticket: before.ticket, positions: [] },
      }),
    };
    this.#opened = await OPEN[this.#transport](this.#target, connect);
    if (this.#opened.resumed) this.resumed++;
  }

  /** Gives up its transport and comes back with its session over a new one, to read nothing again. */
  async comeBack(): Promise<void> {
    this.#opened?.close();
    await this.open();
  }

  close(): void {
    this.#opened?.close();
  }
}

type Open = (target: Target, connect: ClientMessage) => Promise<Opened>;

const OPEN: Record<SlowTransport, Open> = {
  async websocket(target, connect) {
    const tcp = await dial(
      target,
      "GET /rt/ws HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
        "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
        "sec-websocket-protocol: slipstream.v1.json\r\n",
    );
    await tcp.read("\r\n\r\n");
    await tcp.write(textFrame(encodeJson(connect)));
    const opened = parseConnected(await tcp.read(/"type":"connected".*\}/));
    if (!opened.resumed) await tcp.write(textFrame(encodeJson(subscribe(target))));
    return { ...opened, close: () => tcp.close() };
  },
  async sse(target, connect) {
    const tcp = await dial(target, "GET /rt/sse HTTP/1.1\r\naccept: text/event-stream\r\n");
    const transport = (await tcp.read(/"transport":"([^"]+)"/))[1]!;
    await post(target, transport, connect);
    const opened = parseConnected(await tcp.read(/"type":"connected".*\}/));
    if (!opened.resumed) await post(target, transport, subscribe(target));
    return { ...opened, close: () => tcp.close() };
  },
  async webtransport(target, connect) {
    const { peer, control, kept } = await openWebTransport(target);
    await write(control.writable, ...CONTROL_HEADER, encodeBinary(connect));
    const reader = control.readable.getReader();
    const framer = new Framer(1 << 20);
    while (true) {
      const { value } = await reader.read();
      framer.push(value!);
      const frame = framer.next();
      if (frame === undefined) continue;
      const message = decodeServerMessage(frame);
      if (message.type !== "connected") throw new Error(`connected was expected: ${message.type}`);
      if (!message.resumed) await write(control.writable, encodeBinary(subscribe(target)));
      const close = () => {
        void kept;
        peer.close();
      };
      return { session: message.session, ticket: message.ticket, resumed: message.resumed, close };
    }
  },
};

function subscribe({ channel }: Target): ClientMessage {
  return { type: "subscribe", id: 2, channel };
}

/** A socket that is read only where it is asked for. */
async function dial({ port }: Target, head: string) {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  const write = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += await tcp.write(bytes.subarray(at));
  };
  await write(Buffer.from(`${head}host: localhost:${port}\r\norigin: ${origin(port)}\r\n\r\n`));
  let heard = "";
  return {
    write,
    async read(pattern: RegExp | string): Promise<RegExpMatchArray> {
      const buffer = new Uint8Array(4096);
      while (true) {
        const match = heard.match(pattern);
        if (match !== null) {
          heard = heard.slice(match.index! + match[0].length);
          return match;
        }
        const length = await tcp.read(buffer);
        if (length === null) throw new Error(`The server has closed: ${heard}`);
        heard += Buffer.from(buffer.subarray(0, length)).toString("latin1");
      }
    },
    close() {
      try {
        tcp.close();
      } catch {
        // Closed already.
      }
    },
  };
}

function parseConnected(match: RegExpMatchArray): Ticket & { readonly resumed: boolean } {
  const field = (name: string) => match[0].match(new RegExp(`"${name}":"?([^",}]+)`))![1]!;
  return {
    session: field("session"),
    ticket: field("ticket"),
    resumed: field("resumed") === "true",
  };
}

async function post(target: Target, transport: string, message: ClientMessage): Promise<void> {
  const response = await fetch(`${origin(target.port)}/rt/send`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "slipstream-transport": transport,
      origin: origin(target.port),
    },
    body: encodeJson(message),
  });
  if (!response.ok) throw new Error(`POST /rt/send failed: ${response.status}`);
  await response.body?.cancel();
}

function origin(port: number): string {
  return `http://localhost:${port}`;
}

/** One frame, masked with zeros (RFC 6455 §5.2, §5.3). */
function textFrame(text: string): Uint8Array {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = length < 126 ? [0x81, 0x80 | length] : [0x81, 0x80 | 126, length >> 8, length & 255];
  return Buffer.concat([Uint8Array.from([...head, 0, 0, 0, 0]), payload]);
}
