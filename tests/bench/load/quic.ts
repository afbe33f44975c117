import { encodeFrame, FrameType } from "../../../src/http3/frame.ts";
import { encodeFieldSection } from "../../../src/http3/qpack.ts";
import { encodeSettings, SettingId } from "../../../src/http3/settings.ts";
import { encodeClientMessage } from "../../../src/protocol/binary.ts";
import type { StampReader } from "./stamp.ts";
import { firstMessages, type Subscribe, type Target } from "./tcp.ts";

/** Sockets of the load client, each shared by many QUIC connections. */
const ENDPOINTS = 8;
const endpoints: Deno.QuicEndpoint[] = [];
let subscribers = 0;
/** Garbage collection would end what is written here. */
const kept: unknown[] = [];

/** A WebTransport session on a QUIC connection of its own, by its parts. */
export interface WebTransportPeer {
  readonly peer: Deno.QuicConn;
  /** The control stream, on which nothing was said yet. */
  readonly control: Deno.QuicBidirectionalStream;
  /** The writers' side of the control stream and its kin: garbage collection would end them. */
  readonly kept: readonly unknown[];
}

/**
 * One WebTransport session on a QUIC connection of its own, with the streams that Chromium opens,
 * and nothing of HTTP/3 but what the handshake needs.
 */
export const subscribeWebTransport: Subscribe = async (target, reader) => {
  const subscribed = Promise.withResolvers<void>();
  const ended = (error: unknown) =>
    subscribed.reject(new Error(`no subscription over WebTransport: ${error}`));
  const session = await openWebTransport(target);
  const { peer, control } = session;
  peer.closed.then((info) => ended(JSON.stringify(info)), ended);
  const heard = new Heard(target.channel, reader, subscribed.resolve);
  readUnidirectionalStreams(peer, heard).catch(ended);
  readDatagrams(peer, reader).catch(ended);
  await write(
    control.writable,
    ...CONTROL_HEADER,
    ...firstMessages(target).map(encodeClientMessage),
  );
  read(control.readable, heard).catch(ended);
  kept.push(session);
  await subscribed.promise;
};

/** Opens a session, up to its control stream; the caller keeps it. */
export async function openWebTransport(target: Target): Promise<WebTransportPeer> {
  const index = subscribers++ % ENDPOINTS;
  const peer = await Deno.connectQuic({
    hostname: "localhost",
    port: target.port,
    alpnProtocols: ["h3"],
    caCerts: [target.certPem!],
    endpoint: endpoints[index] ??= new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 }),
    keepAliveInterval: 10_000,
  });
  const settings = await peer.createUnidirectionalStream();
  await write(settings, 0x00, encodeFrame(FrameType.SETTINGS, encodeSettings(SETTINGS)));
  // Chromium's QPACK streams: the decoder's without a byte, the encoder's with a capacity of 0.
  const decoder = await peer.createUnidirectionalStream();
  const encoder = await peer.createUnidirectionalStream();
  await write(encoder, 0x02, 0x20);
  const request = await peer.createBidirectionalStream();
  await write(request.writable, encodeFrame(FrameType.HEADERS, encodeFieldSection(head(target))));
  await request.readable.getReader().read();
  const control = await peer.createBidirectionalStream();
  return { peer, control, kept: [settings, decoder, encoder, request] };
}

/** What a bidirectional stream begins with: its signal, and the ID of the first request stream. */
export const CONTROL_HEADER = [0x40, 0x41, 0x00];

const SETTINGS: [number, number][] = [
  [SettingId.ENABLE_CONNECT_PROTOCOL, 1],
  [SettingId.H3_DATAGRAM, 1],
  [SettingId.ENABLE_WEBTRANSPORT, 1],
];

function head(target: Target): [string, string][] {
  const authority = `localhost:${target.port}`;
  return [
    [":method", "CONNECT"],
    [":protocol", "webtransport"],
    [":scheme", "https"],
    [":authority", authority],
    [":path", "/rt/wt"],
    ["origin", `https://${authority}`],
  ];
}

/** What comes on streams: text until the subscription runs, then stamps. */
class Heard {
  readonly #channel: string;
  readonly #reader: StampReader;
  #subscribed: (() => void) | undefined;

  constructor(channel: string, reader: StampReader, subscribed: () => void) {
    this.#channel = channel;
    this.#reader = reader;
    this.#subscribed = subscribed;
  }

  take(bytes: Uint8Array): void {
    if (this.#subscribed === undefined) return this.#reader.read(bytes, bytes.length);
    if (!new TextDecoder("latin1").decode(bytes).includes(this.#channel)) return;
    this.#subscribed();
    this.#subscribed = undefined;
  }
}

async function readUnidirectionalStreams(peer: Deno.QuicConn, heard: Heard): Promise<void> {
  for await (const stream of peer.incomingUnidirectionalStreams) {
    read(stream, heard).catch(() => {});
  }
}

async function read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, heard: Heard): Promise<void> {
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(4096);
  while (true) {
    const { value, done } = await reader.read(new Uint8Array(buffer));
    if (done) return;
    heard.take(value);
    buffer = value.buffer;
  }
}

async function readDatagrams(peer: Deno.QuicConn, reader: StampReader): Promise<void> {
  while (true) {
    const datagram = await peer.readDatagram();
    reader.read(datagram, datagram.length);
  }
}

/** Writes bytes to a stream, at once. */
export async function write(
  stream: WritableStream<Uint8Array<ArrayBuffer>>,
  ...parts: (number | Uint8Array)[]
): Promise<void> {
  const bytes = parts.flatMap((part) => typeof part === "number" ? [part] : [...part]);
  const writer = stream.getWriter();
  await writer.write(Uint8Array.from(bytes));
  writer.releaseLock();
}
