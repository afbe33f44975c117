import { CapsuleParser } from "../../src/http3/capsule.ts";
import { CapsuleType, decodeCloseCapsule } from "../../src/webtransport/close_capsule.ts";
import { concat } from "../bytes.ts";
import { CLIENT_SETTINGS, RawQuicClient, type RawStream } from "../conformance/raw_quic_client.ts";
import * as corpus from "../fuzz/corpus.ts";
import { below, mutate, pick } from "../fuzz/mutate.ts";
import { CONNECT, DATAGRAMS, LEAVE, MessageSource } from "./message_source.ts";
import type { Address } from "./server.ts";
import { type Attack, hear, MESSAGES_PER_VISIT, patiently } from "./visit.ts";

const STREAMS = [...corpus.REQUEST_STREAMS, ...corpus.CAPSULE_STREAMS, ...corpus.FIELD_SECTIONS];
const UNIDIRECTIONAL_STREAMS = [
  ...corpus.UNIDIRECTIONAL_STREAMS,
  ...corpus.ENCODER_STREAMS.map((bytes) => concat(Uint8Array.of(2), bytes)),
  ...corpus.DECODER_STREAMS.map((bytes) => concat(Uint8Array.of(3), bytes)),
  ...corpus.CONTROL_STREAMS.map((bytes) => concat(Uint8Array.of(0), bytes)),
];

/** What begins a bidirectional stream of the session that the first request opened. */
const STREAM_OF_FIRST_SESSION = Uint8Array.of(0x40, 0x41, 0);

/** Mutated messages on the control stream of a session. */
export const webTransportMessages: Attack = async (address, random) => {
  await using session = await AttackSession.open(address);
  const source = new MessageSource("binary", random);
  let messages = 0;
  while (messages < MESSAGES_PER_VISIT && !source.fatal && !session.over) {
    await session.write(source.nextFrame());
    messages++;
  }
  if (!source.fatal && !session.over) {
    if (source.torn) return { messages, outcome: "cut in a frame" };
    await session.write(LEAVE.binary);
  }
  return { messages, outcome: String(await patiently(session.ended)) };
};

/** Mutated datagrams of a session. */
export const webTransportDatagrams: Attack = async (address, random) => {
  await using session = await AttackSession.open(address);
  let messages = 0;
  while (messages < MESSAGES_PER_VISIT && !session.over) {
    await session.sendDatagram(mutate(DATAGRAMS, random));
    messages++;
    await hear();
  }
  if (!session.over) await session.write(LEAVE.binary);
  return { messages, outcome: String(await patiently(session.ended)) };
};

/** Mutated streams of HTTP/3, of every kind. */
export const http3Streams: Attack = async ({ port, certPem }, random) => {
  const client = await RawQuicClient.connect({ addr: { port }, cert: certPem });
  let over = false;
  const ended = client.closed.then(({ closeCode }) => `0x${closeCode.toString(16)}`, () => "lost");
  ended.then(() => over = true);
  let messages = 0;
  try {
    await client.openControl(
      random() < 0.2 ? mutate(corpus.CONTROL_STREAMS, random) : CLIENT_SETTINGS,
    );
    while (messages < MESSAGES_PER_VISIT && !over) {
      messages++;
      try {
        const stream = random() < 0.4
          ? await client.openUnidirectional(mutate(UNIDIRECTIONAL_STREAMS, random))
          : await client.openBidirectional(mutate(STREAMS, random));
        if (random() < 0.9) await stream.end();
      } catch {
        // The server has stopped this stream, or ended all.
      }
      await hear();
      if (random() < 0.1) {
        // One that is too large does not leave.
        await client.conn.sendDatagram(mutate(corpus.DATAGRAMS, random)).catch(() => {});
        messages++;
      }
    }
    const asked = await client.request([
      [":method", "GET"],
      [":scheme", "https"],
      [":authority", `localhost:${port}`],
      [":path", "/livez"],
    ]);
    await asked.end();
    const answer = asked.readResponse().then(({ status }) => `HTTP ${status}`, () => ended);
    return { messages, outcome: await patiently(Promise.race([ended, answer])) };
  } catch {
    return { messages, outcome: await patiently(ended) };
  } finally {
    await client.close(below(2, random) === 0 ? 0x100 : pick([0, 0x107, 0x3fff], random));
  }
};

/** A WebTransport session whose peer has connected, and says what it likes. */
class AttackSession implements AsyncDisposable {
  /** Resolves with the close code of the session, or how QUIC ended. */
  readonly ended: Promise<string>;
  over = false;
  readonly #client: RawQuicClient;
  readonly #sessionId: number;
  readonly #control: RawStream;

  private constructor(client: RawQuicClient, connect: RawStream, control: RawStream) {
    this.#client = client;
    this.#sessionId = connect.id;
    this.#control = control;
    const lost = client.closed.then(({ closeCode }) => `0x${closeCode.toString(16)}`, () => "lost");
    this.ended = Promise.race([readClose(connect).catch(() => lost), lost]);
    this.ended.then(() => this.over = true);
    drain(control).catch(() => {});
  }

  static async open({ port, certPem }: Address): Promise<AttackSession> {
    const client = await RawQuicClient.connect({ addr: { port }, cert: certPem });
    try {
      await client.openControl(CLIENT_SETTINGS);
      const connect = await client.request([
        [":method", "CONNECT"],
        [":protocol", "webtransport"],
        [":scheme", "https"],
        [":authority", `localhost:${port}`],
        [":path", "/rt/wt"],
      ]);
      const { status } = await connect.readResponse();
      if (status !== 200) throw new Error(`A session was expected: ${status}`);
      const control = await client.openBidirectional(
        concat(STREAM_OF_FIRST_SESSION, CONNECT.binary),
      );
      return new AttackSession(client, connect, control);
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Writes as long as the server takes it. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#control.write(bytes).catch(() => {});
  }

  async sendDatagram(payload: Uint8Array): Promise<void> {
    await this.#client.sendDatagram(this.#sessionId, payload).catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.close();
  }
}

async function readClose(connect: RawStream): Promise<string> {
  const capsules = new CapsuleParser({
    maxCapsuleBytes: 1028,
    known: new Set([CapsuleType.CLOSE_WEBTRANSPORT_SESSION]),
  });
  while (true) {
    const event = await connect.readFrame();
    if (event?.type !== "data") throw new Error("A close capsule was expected: the end");
    capsules.push(event.chunk);
    const capsule = capsules.next();
    if (capsule !== undefined) return String(decodeCloseCapsule(capsule.payload).closeCode);
  }
}

/** Reads and forgets; ends the stream once the server has ended its side, as honest clients do. */
async function drain(control: RawStream): Promise<void> {
  while (await control.read() !== undefined);
  await control.end();
}
