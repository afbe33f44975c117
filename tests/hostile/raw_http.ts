import type { SlipstreamServer } from "../../src/mod.ts";
import { concat } from "../bytes.ts";
import { certPem } from "../integration/harness.ts";

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** A TCP peer of a server's plain listener that says what a test wants. */
export class RawTcp implements AsyncDisposable {
  readonly #conn: Deno.Conn;
  readonly #reading: Promise<void>;
  #received = "";
  #ended = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  static async connect(server: SlipstreamServer): Promise<RawTcp> {
    return new RawTcp(
      await Deno.connect({ hostname: "127.0.0.1", port: server.developmentPort! }),
    );
  }

  /** Over TLS, with HTTP/2 agreed. */
  static async connectHttp2(server: SlipstreamServer): Promise<RawTcp> {
    const conn = await Deno.connectTls({
      hostname: "localhost",
      port: server.port,
      caCerts: [certPem],
      alpnProtocols: ["h2"],
    });
    return new RawTcp(conn);
  }

  /** All that has come, one character a byte. */
  get received(): string {
    return this.#received;
  }

  /** Whether the server has ended its side, or cut the socket off. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Writes as much as the server takes; one that has hung up takes nothing. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    try {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    } catch {
      // It has hung up, which `ended` says.
    }
  }

  /** Reads until the server ends. */
  async end(): Promise<string> {
    await this.#reading;
    return this.#received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conn.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let length; (length = await this.#conn.read(buffer)) !== null;) {
        this.#received += latin1.decode(buffer.subarray(0, length));
      }
    } catch {
      // A reset is an end, and so is our own close.
    }
    this.#ended = true;
  }
}

/** Sends `request` on a TCP connection of its own, and returns all that came until the server's end. */
export async function ask(server: SlipstreamServer, request: string): Promise<string> {
  await using tcp = await RawTcp.connect(server);
  await tcp.write(request);
  return await tcp.end();
}

/** A request that the server ends the connection after. */
export function requestOf(
  server: SlipstreamServer,
  line: string,
  fields: Readonly<Record<string, string>> = {},
  body = "",
): string {
  const all = {
    host: `localhost:${server.developmentPort}`,
    connection: "close",
    ...(body !== "" && { "content-length": String(encoder.encode(body).length) }),
    ...fields,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/** The status of a response. */
export function statusOf(response: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1]);
}

/** An HTTP/2 frame, RFC 9113 §4.1. */
export function http2Frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const head = new Uint8Array(9);
  const view = new DataView(head.buffer);
  view.setUint32(0, payload.length << 8 | type);
  head[4] = flags;
  view.setUint32(5, streamId);
  return concat(head, payload);
}

/** What an HTTP/2 client says first: the preface, and SETTINGS with nothing in them. */
export const HTTP2_PREFACE = concat(
  encoder.encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  http2Frame(0x4, 0, 0),
);

/** A field that HPACK carries as it is, RFC 7541 §6.2.2; both texts have fewer than 127 bytes. */
export function literalField(name: string, value: string): Uint8Array {
  const [nameBytes, valueBytes] = [encoder.encode(name), encoder.encode(value)];
  return concat(
    Uint8Array.of(0, nameBytes.length),
    nameBytes,
    Uint8Array.of(valueBytes.length),
    valueBytes,
  );
}
