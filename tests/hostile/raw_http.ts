import type { SlipstreamServer } from "../../src/mod.ts";
import { concat } from "../bytes.ts";
import { certPem } from "../integration/harness.ts";
import { RawTcp } from "./raw_tcp.ts";

const encoder = new TextEncoder();

/** Sends `request` on a TCP connection of its own, and returns all that came until the server's end. */
export async function ask(server: SlipstreamServer, request: string): Promise<string> {
  await using tcp = await dial(server);
  await tcp.write(request);
  return await tcp.end();
}

/** Connects to the plain listener. */
export function dial(server: SlipstreamServer): Promise<RawTcp> {
  return RawTcp.connect({ port: server.developmentPort! });
}

/** Connects over TLS, with HTTP/2 agreed. */
export function dialHttp2({ port }: SlipstreamServer): Promise<RawTcp> {
  return RawTcp.connect({ port, caCerts: [certPem], alpnProtocols: ["h2"] });
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
