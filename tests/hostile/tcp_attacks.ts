import type { Encoding } from "../../src/protocol/encoded_message.ts";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import { TRANSPORT_HEADER } from "../../src/transport/sse_handler.ts";
import { concat } from "../bytes.ts";
import { below, mutate, pick } from "../fuzz/mutate.ts";
import { EventReader } from "../transport/sse_peer.ts";
import { BINARY_MESSAGES, CONNECT, LEAVE, MessageSource } from "./message_source.ts";
import { RawTcp } from "./raw_tcp.ts";
import type { Address } from "./server.ts";
import { type Attack, hear, isFailure, MESSAGES_PER_VISIT, patiently } from "./visit.ts";

const encoder = new TextEncoder();

/** Mutated messages over a WebSocket, in either dialect. */
export const webSocketMessages: Attack = async ({ developmentPort }, random) => {
  const encoding: Encoding = pick(["binary", "json"], random);
  const socket = new WebSocket(
    `ws://localhost:${developmentPort}/rt/ws`,
    SUBPROTOCOL[encoding],
  );
  const ended = new Promise<string>((resolve) => {
    socket.onclose = ({ code }) => resolve(String(code));
  });
  const opened = new Promise<void>((resolve) => socket.onopen = () => resolve());
  await Promise.race([opened, ended]);
  const send = (message: Uint8Array | string) => socket.send(message as BufferSource | string);
  let messages = 0;
  try {
    send(CONNECT[encoding]);
    const source = new MessageSource(encoding, random);
    while (messages < MESSAGES_PER_VISIT && !source.fatal && !source.torn) {
      if (socket.readyState !== WebSocket.OPEN) break;
      send(source.next());
      messages++;
    }
    // A WebSocket message ends with a frame: one that is torn is the last.
    if (!source.fatal && !source.torn) send(LEAVE[encoding]);
  } catch {
    // It was closed in the meantime.
  }
  const outcome = await patiently(ended);
  socket.close();
  return { messages, outcome };
};

/** Frames of WebSockets, RFC 6455 §5.2, masked with zeros: each kind, whole and in fragments. */
const WEBSOCKET_FRAMES = [
  ...BINARY_MESSAGES.map((message) => webSocketFrame(0x82, message)),
  ...BINARY_MESSAGES.map((message) =>
    concat(webSocketFrame(0x02, message.subarray(0, 1)), webSocketFrame(0x80, message.subarray(1)))
  ),
  webSocketFrame(0x81, encoder.encode(CONNECT.json)),
  webSocketFrame(0x89, encoder.encode("ping")),
  webSocketFrame(0x8a, encoder.encode("pong")),
  webSocketFrame(0x88, Uint8Array.of(0x0b, 0xb8)),
  webSocketFrame(0x82, new Uint8Array(300)),
];

/** Mutated frames below the messages of a WebSocket. */
export const webSocketFrames: Attack = async ({ developmentPort }, random) => {
  await using tcp = await RawTcp.connect({ port: developmentPort });
  await tcp.write(
    `GET /rt/ws HTTP/1.1\r\nhost: localhost:${developmentPort}\r\nupgrade: websocket\r\n` +
      "connection: upgrade\r\nsec-websocket-version: 13\r\n" +
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      `sec-websocket-protocol: ${SUBPROTOCOL.binary}\r\n\r\n`,
  );
  await tcp.write(webSocketFrame(0x82, CONNECT.binary));
  let messages = 0;
  while (messages < MESSAGES_PER_VISIT && !tcp.ended) {
    await tcp.write(mutate(WEBSOCKET_FRAMES, random));
    messages++;
    await hear();
  }
  await tcp.endWriting();
  const received = await patiently(tcp.end());
  // The last frame of a server that has closed, RFC 6455 §5.5.1.
  // deno-lint-ignore no-control-regex
  const code = /\x88[\x02-\x7d]([^]{2})[^]*$/.exec(received)?.[1];
  if (code === undefined) {
    return { messages, outcome: isFailure(received) ? received : "TCP ended" };
  }
  return { messages, outcome: String(code.charCodeAt(0) << 8 | code.charCodeAt(1)) };
};

/** Mutated messages by POST to an event stream. */
export const sseMessages: Attack = async ({ developmentPort }, random) => {
  const base = `http://localhost:${developmentPort}`;
  const response = await fetch(`${base}/rt/sse`);
  const events = new EventReader(response);
  try {
    const { transport } = JSON.parse((await events.next())!.data);
    const post = async (body: string): Promise<number> => {
      const headers = { [TRANSPORT_HEADER]: transport, "content-type": "application/json" };
      const response = await fetch(`${base}/rt/send`, { method: "POST", headers, body });
      await response.body?.cancel();
      return response.status;
    };
    await post(CONNECT.json);
    const source = new MessageSource("json", random);
    let messages = 0;
    while (messages < MESSAGES_PER_VISIT && !source.fatal) {
      // One that comes to an end of the stream, as after a 404, is the last.
      if (await post(source.nextText()) > 404) break;
      messages++;
    }
    if (!source.fatal) await post(LEAVE.json);
    const ended = (async () => {
      for (let event; (event = await events.next()) !== undefined;) {
        if (event.event === "close") return String(JSON.parse(event.data).code);
      }
      return "stream ended";
    })();
    return { messages, outcome: await patiently(ended) };
  } finally {
    await events.cancel();
  }
};

/** Mutated requests of HTTP/1.1, several on a connection. */
export const httpRequests: Attack = async (address, random) => {
  await using tcp = await RawTcp.connect({ port: address.developmentPort });
  const corpus = requests(address);
  let messages = 0;
  for (let left = 1 + below(8, random); left > 0 && !tcp.ended; left--) {
    await tcp.write(mutate(corpus, random));
    messages++;
    await hear();
  }
  await tcp.endWriting();
  const received = await patiently(tcp.end());
  const statuses = [...received.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => status);
  return { messages, outcome: `HTTP ${statuses.at(-1) ?? received.slice(0, 20)}` };
};

function requests({ developmentPort }: Address): Uint8Array[] {
  const host = `host: localhost:${developmentPort}\r\n`;
  const json = "content-type: application/json\r\n";
  return [
    `GET /rt/info HTTP/1.1\r\n${host}origin: http://localhost:${developmentPort}\r\n\r\n`,
    `GET /rt/sse?channel=chat:lobby&channel=pos:1 HTTP/1.1\r\n${host}last-event-id: {"a":1}\r\n\r\n`,
    `POST /rt/send HTTP/1.1\r\n${host}${json}slipstream-transport: ${"0".repeat(32)}\r\n` +
    `content-length: 17\r\n\r\n{"type":"leave"}\n`,
    `POST /rt/send HTTP/1.1\r\n${host}${json}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    `POST /rt/ticket HTTP/1.1\r\n${host}authorization: Bearer a.b.c\r\ncontent-length: 0\r\n\r\n`,
    `OPTIONS /rt/send HTTP/1.1\r\n${host}access-control-request-method: POST\r\n\r\n`,
    `GET /rt/ws HTTP/1.1\r\n${host}upgrade: websocket\r\nconnection: upgrade\r\n` +
    "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    "sec-websocket-protocol: slipstream.v1.json\r\n\r\n",
    `GET /slipstream.js HTTP/1.1\r\n${host}if-none-match: "a"\r\n\r\n`,
    `GET /readyz?a=%41&b=../../c HTTP/1.1\r\n${host}\r\n`,
  ].map((text) => encoder.encode(text));
}

/** A whole frame of fewer than 65,536 bytes. */
export function webSocketFrame(head: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
  return concat(Uint8Array.of(head, ...size, 0, 0, 0, 0), payload);
}
