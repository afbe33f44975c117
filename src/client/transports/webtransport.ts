import { concat } from "../../protocol/concat.ts";
import { decodeBase64 } from "../../protocol/base64.ts";
import { decodeServerMessage } from "../../protocol/binary_server.ts";
import { CloseCode } from "../../protocol/close_code.ts";
import { Framer } from "../../protocol/framer.ts";
import { entrance, type Target, Transport, type TransportReceiver } from "./transport.ts";

/** Opens a WebTransport session; the first bidirectional stream carries control messages. */
export async function openWebTransport(
  target: Target,
  receiver: TransportReceiver,
  signal: AbortSignal,
): Promise<Transport> {
  const { webtransport } = target.info;
  if (webtransport === undefined) throw new Error("The server offers no WebTransport");
  const session = new WebTransport(entrance(webtransport.url, target), {
    serverCertificateHashes: webtransport.certificateHashes?.map(certificateHash) ?? [],
  });
  // Whoever waits for `ready` hears of a failure there; `closed` must not be unhandled as well.
  session.closed.catch(() => {});
  signal.addEventListener("abort", () => closeQuietly(session, CloseCode.LEFT, ""));
  await session.ready;
  const control = await session.createBidirectionalStream();
  signal.throwIfAborted();
  return new WebTransportTransport(session, control, target, receiver);
}

class WebTransportTransport extends Transport {
  override readonly kind = "webtransport";
  override readonly encoding = "binary";
  override bufferedBytes = 0;
  readonly #session: WebTransport;
  readonly #maxIncomingBytes: number;
  readonly #control: WritableStreamDefaultWriter<Uint8Array>;
  readonly #datagrams: WritableStreamDefaultWriter<Uint8Array>;
  readonly #controlRead: Promise<void>;
  #datagramsWaiting = 0;

  constructor(
    session: WebTransport,
    control: WebTransportBidirectionalStream,
    target: Target,
    receiver: TransportReceiver,
  ) {
    super(receiver);
    this.#session = session;
    this.#maxIncomingBytes = target.maxIncomingBytes;
    this.#control = control.writable.getWriter();
    const datagrams: Datagrams = session.datagrams;
    this.#datagrams = (datagrams.createWritable?.() ?? datagrams.writable).getWriter();
    const lost = (error: unknown) => this.lose(error);
    session.closed.then(
      ({ closeCode, reason }) => this.#closedByServer(closeCode ?? 0, reason ?? ""),
      lost,
    );
    this.#controlRead = this.#readFrames(control.readable);
    this.#controlRead.then(() => this.#controlEnded(), lost);
    this.#readLanes().catch(lost);
    this.#readDatagrams().catch(lost);
  }

  override get maxDatagramSize(): number {
    return this.#session.datagrams.maxDatagramSize;
  }

  override write(messages: readonly Uint8Array[]): void {
    const bytes = concat(messages);
    this.bufferedBytes += bytes.length;
    this.#control.write(bytes).then(
      () => this.bufferedBytes -= bytes.length,
      (error) => this.lose(error),
    );
  }

  override sendDatagram(message: Uint8Array): boolean {
    if (this.#datagramsWaiting >= MAX_DATAGRAMS_WAITING) return false;
    this.#datagramsWaiting++;
    const done = () => void this.#datagramsWaiting--;
    // One that fails is lost, as any datagram may be.
    this.#datagrams.write(message).then(done, done);
    return true;
  }

  protected override release(code: number, reason: string): void {
    const close = () => closeQuietly(this.#session, code, reason);
    // A server that is lost takes nothing more, and would be waited for.
    if (this.bufferedBytes === 0 || code < CloseCode.LEFT) return close();
    // Closing a session drops what is on its way: the server ends its half once it has read ours.
    const timer = setTimeout(close, CLOSE_TIMEOUT_MS);
    const read = () => {
      clearTimeout(timer);
      close();
    };
    this.#control.close().catch(() => {});
    this.#controlRead.then(read, read);
  }

  #closedByServer(code: number, reason: string): void {
    // No close capsule: the server vanished, or the runtime does not tell.
    if (code === 0) this.lose(reason || "The WebTransport session ended without a code");
    else this.end({ code, reason });
  }

  #controlEnded(): void {
    if (this.ended) return;
    // The close follows in its capsule: `closed` tells, unless the path has broken in between.
    const timer = setTimeout(() => this.lose("The control stream ended"), CLOSE_TIMEOUT_MS);
    const stop = () => clearTimeout(timer);
    this.#session.closed.then(stop, stop);
  }

  async #readLanes(): Promise<void> {
    for await (const lane of values(this.#session.incomingUnidirectionalStreams)) {
      // A broken lane is a hole that only a new transport heals.
      this.#readFrames(lane).catch((error) => this.lose(error));
    }
  }

  async #readFrames(readable: ReadableStream<Uint8Array>): Promise<void> {
    const framer = new Framer(this.#maxIncomingBytes);
    for await (const chunk of values(readable)) this.#takeFrames(framer, chunk);
  }

  async #readDatagrams(): Promise<void> {
    const { datagrams } = this.#session;
    // A background tab reads late; what is older than these is of no use to it.
    try {
      datagrams.incomingHighWaterMark = INCOMING_DATAGRAMS;
    } catch {
      // Deno 2.9 has the property and cannot set it.
    }
    for await (const datagram of values<Uint8Array>(datagrams.readable)) {
      this.#takeFrames(new Framer(datagram.length), datagram);
    }
  }

  #takeFrames(framer: Framer, chunk: Uint8Array): void {
    this.take(chunk.length, (receive) => {
      framer.push(chunk);
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        receive(decodeServerMessage(frame));
      }
    });
  }
}

/** Safari has `createWritable` alone, others `writable` alone. */
interface Datagrams {
  readonly writable: WritableStream<Uint8Array>;
  createWritable?(): WritableStream<Uint8Array>;
}

/** Half a second of updates at 120 Hz: beyond it the path is slower than the news. */
const MAX_DATAGRAMS_WAITING = 64;
const INCOMING_DATAGRAMS = 256;

/** How long the end of the control stream and the close of the session may lie apart. */
const CLOSE_TIMEOUT_MS = 1000;

/** Streams of some browsers are not async iterable. */
async function* values<T>(readable: ReadableStream<T>): AsyncGenerator<T> {
  const reader = readable.getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function closeQuietly(session: WebTransport, closeCode: number, reason: string): void {
  try {
    session.close({ closeCode, reason });
  } catch {
    // It never opened, or is closed already.
  }
}

function certificateHash(hash: string): WebTransportHash {
  return { algorithm: "sha-256", value: decodeBase64(hash) as BufferSource };
}
