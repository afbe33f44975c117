import { encodeFrame, FrameType } from "../../src/http3/frame.ts";
import type { Field } from "../../src/http3/qpack.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import {
  type WebTransportRequest,
  WebTransportServer,
  type WebTransportServerOptions,
  type WebTransportSession,
} from "../../src/webtransport/mod.ts";
import { concat, hex } from "../bytes.ts";
import { CLIENT_SETTINGS, RawQuicClient, type RawStream } from "./raw_quic_client.ts";

const { certPem, keyPem } = await createDevelopmentCertificate({ hostnames: ["localhost"] });

/** The head of a WebTransport CONNECT. */
export const CONNECT: readonly Field[] = [
  [":method", "CONNECT"],
  [":protocol", "webtransport"],
  [":scheme", "https"],
  [":authority", "localhost"],
  [":path", "/echo"],
  ["origin", "https://localhost"],
];

/** The head of a plain request. */
export const GET: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "localhost"],
  [":path", "/"],
];

/** A server under test, and what it accepted. */
export class TestServer {
  readonly cert = certPem;
  readonly server: WebTransportServer;
  readonly sessions: WebTransportSession[] = [];
  /** The CONNECTs to /held, which a test answers when it wants. */
  readonly held: WebTransportRequest[] = [];
  readonly #clients: RawQuicClient[] = [];

  constructor(options: Partial<WebTransportServerOptions> = {}) {
    this.server = new WebTransportServer({
      hostname: "127.0.0.1",
      port: 0,
      cert: certPem,
      key: keyPem,
      closeTimeoutMs: 200,
      onRequest: () => new Response("hello"),
      onWebTransport: (request) => this.#answer(request),
      ...options,
    });
    this.server.listen();
  }

  get addr(): Deno.NetAddr {
    return this.server.addr;
  }

  async connect(options?: Deno.QuicTransportOptions): Promise<RawQuicClient> {
    const client = await RawQuicClient.connect(this, options);
    this.#clients.push(client);
    return client;
  }

  /** A client with a session, which {@linkcode TestServer.checkHonest} can ask whether it works. */
  async connectSession(fields = CONNECT): Promise<RawSession> {
    const client = await this.connect();
    await client.openControl(CLIENT_SETTINGS);
    const stream = await client.request(fields);
    const { status } = await stream.readResponse();
    if (status !== 200) throw new Error(`A session was expected: ${status}`);
    return { client, stream, id: stream.id };
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.close();
    await this.server.close();
  }

  async #answer(request: WebTransportRequest): Promise<void> {
    if (request.path === "/held") {
      this.held.push(request);
      return;
    }
    const session = await request.accept();
    this.sessions.push(session);
    echo(session);
  }
}

/** Sends all datagrams and bidirectional streams of `session` back. */
export function echo(session: WebTransportSession): void {
  session.datagrams.onDatagram = (payload) => session.datagrams.send(payload);
  (async () => {
    for await (const { readable, writable } of session.incomingBidirectionalStreams) {
      readable.pipeTo(writable).catch(() => {});
    }
  })().catch(() => {});
}

/** A client's side of a session. */
export interface RawSession {
  readonly client: RawQuicClient;
  readonly stream: RawStream;
  readonly id: number;
}

/** Runs `test` against a server of its own, and frees everything afterwards. */
export async function withServer(
  test: (server: TestServer) => Promise<void>,
  options: Partial<WebTransportServerOptions> = {},
): Promise<void> {
  const server = new TestServer(options);
  try {
    await test(server);
  } finally {
    await server.close();
  }
}

/**
 * The same with an honest session beside it, which must still echo a stream and a datagram when the
 * test is over.
 */
export function besideHonest(
  test: (server: TestServer) => Promise<void>,
  options: Partial<WebTransportServerOptions> = {},
): Promise<void> {
  return withServer(async (server) => {
    const honest = await server.connectSession();
    await checkEcho(honest);
    await test(server);
    await checkEcho(honest);
  }, options);
}

/** Has a stream and a datagram of `session` echoed. */
export async function checkEcho({ client, id }: RawSession): Promise<void> {
  const stream = await client.openBidirectional(concat(bidirectionalHeader(id), hex("0102")));
  await stream.end();
  await expectBytes(stream, hex("0102"));
  // Loopback can lose a datagram when its buffer is full: once more, then.
  const echoed = client.readDatagram();
  const again = setInterval(() => client.sendDatagram(id, hex("03")).catch(() => {}), 50);
  try {
    await client.sendDatagram(id, hex("03"));
    const payload = await echoed;
    if (payload[0] !== 3) throw new Error(`The datagram 03 was expected: ${payload}`);
  } finally {
    clearInterval(again);
  }
}

async function expectBytes(stream: RawStream, bytes: Uint8Array): Promise<void> {
  const read = await stream.readExactly(bytes.length);
  if (read.join() !== bytes.join()) throw new Error(`${bytes} was expected: ${read}`);
}

/** What begins a bidirectional stream of a session whose ID is below 64. */
export function bidirectionalHeader(sessionId: number): Uint8Array {
  return Uint8Array.of(0x40, 0x41, sessionId);
}

/** What begins a unidirectional stream of a session whose ID is below 64. */
export function unidirectionalHeader(sessionId: number): Uint8Array {
  return Uint8Array.of(0x40, 0x54, sessionId);
}

/** A DATA frame. */
export function data(...payload: readonly Uint8Array[]): Uint8Array {
  return encodeFrame(FrameType.DATA, concat(...payload));
}
