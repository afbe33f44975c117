import { concat } from "../../protocol/concat.ts";
import { decodeServerMessage } from "../../protocol/json_server.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { successful } from "../http_error.ts";
import { type ServerSentEvent, SseParser } from "./sse_parser.ts";
import { entrance, type Target, Transport, type TransportReceiver } from "./transport.ts";

/**
 * Opens Server-Sent Events at `/rt/sse` for what comes down, and POSTs to `/rt/send` what goes up.
 * It is `fetch` and no `EventSource`, which Node and Deno lack and which hides statuses.
 */
export async function openSse(
  target: Target,
  receiver: TransportReceiver,
  signal: AbortSignal,
): Promise<Transport> {
  const response = await fetch(entrance("/rt/sse", target), {
    headers: { accept: "text/event-stream" },
    cache: "no-store",
    signal,
  });
  const reader = successful(response).body!.getReader();
  const parser = new SseParser(target.maxIncomingBytes);
  let event: ServerSentEvent | undefined;
  while ((event = parser.next()) === undefined) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The event stream ended before its first event");
    parser.push(value);
  }
  if (event.type !== "open") throw new Error(`An open event was expected: ${event.type}`);
  const { transport } = JSON.parse(event.data);
  return new SseTransport(target.base, transport, reader, parser, receiver);
}

class SseTransport extends Transport {
  override readonly kind = "sse";
  override readonly encoding = "json";
  override bufferedBytes = 0;
  readonly #url: URL;
  readonly #id: string;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #parser: SseParser;
  #waiting: Uint8Array[] = [];
  #posting = false;

  constructor(
    base: URL,
    id: string,
    reader: ReadableStreamDefaultReader<Uint8Array>,
    parser: SseParser,
    receiver: TransportReceiver,
  ) {
    super(receiver);
    this.#url = new URL("/rt/send", base);
    this.#id = id;
    this.#parser = parser;
    this.#reader = reader;
    this.#read().catch((error) => this.lose(error));
  }

  override write(messages: readonly Uint8Array[]): void {
    for (const message of messages) {
      this.#waiting.push(message);
      this.bufferedBytes += message.length;
    }
    if (!this.#posting) this.#post().catch((error) => this.lose(error));
  }

  protected override release(): void {
    // What is on its way up is left to arrive: it may be the message that ends the session.
    if (!this.#posting) this.#cancel();
  }

  /** One request at a time: two could overtake each other. */
  async #post(): Promise<void> {
    this.#posting = true;
    try {
      while (this.#waiting.length > 0) {
        const body = this.#nextBody();
        const response = await fetch(this.#url, {
          method: "POST",
          headers: { "content-type": "application/json", "slipstream-transport": this.#id },
          body: body as BufferSource,
          signal: AbortSignal.timeout(POST_TIMEOUT_MS),
        });
        successful(response).body?.cancel().catch(() => {});
        this.bufferedBytes -= body.length;
      }
    } finally {
      this.#posting = false;
      if (this.ended) this.#cancel();
    }
  }

  /** As many messages as one request may carry, at least one. */
  #nextBody(): Uint8Array {
    let length = 0;
    let count = 0;
    for (const message of this.#waiting) {
      if (count > 0 && length + 1 + message.length > MAX_BODY_BYTES) break;
      length += message.length + 1;
      count++;
    }
    const chunks: Uint8Array[] = [];
    for (const message of this.#waiting.splice(0, count)) {
      if (chunks.length > 0) chunks.push(LINE_FEED);
      chunks.push(message);
    }
    this.bufferedBytes += count - 1;
    return concat(chunks);
  }

  async #read(): Promise<void> {
    while (!this.ended) {
      const { done, value } = await this.#reader.read();
      this.#takeEvents(value);
      if (done) this.lose("The event stream ended");
    }
  }

  #takeEvents(chunk: Uint8Array = NOTHING): void {
    this.take(chunk.length, (receive) => {
      this.#parser.push(chunk);
      for (let event = this.#parser.next(); event !== undefined; event = this.#parser.next()) {
        if (event.type === "close") return this.#closedByServer(event.data);
        if (event.type !== "message") continue;
        for (const line of event.data.split("\n")) receive(decodeServerMessage(line));
      }
    });
  }

  #closedByServer(data: string): void {
    const { code, reason } = JSON.parse(data);
    if (!Number.isSafeInteger(code)) {
      throw new ProtocolError(`A close event with a code was expected: ${data}`);
    }
    this.end({ code, reason: String(reason ?? "") });
    this.#cancel();
  }

  #cancel(): void {
    this.#reader.cancel().catch(() => {});
  }
}

/** Half of the server's default for one message, so that a batch stays below it. */
const MAX_BODY_BYTES = 32_768;

/** Pings find a server that is silent down here, but not a path that swallows what goes up. */
const POST_TIMEOUT_MS = 20_000;

const NOTHING = new Uint8Array(0);
const LINE_FEED = new Uint8Array([0x0a]);
