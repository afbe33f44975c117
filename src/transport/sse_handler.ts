import { CloseCode } from "../protocol/close_code.ts";
import type { Position } from "../protocol/message.ts";
import { messageTooLarge, ProtocolError } from "../protocol/protocol_error.ts";
import { concat } from "../protocol/concat.ts";
import { type PeerInfo, refusal } from "./peer_transport.ts";
import { SseTransport } from "./sse.ts";
import { PlainSseTransport } from "./sse_plain.ts";
import { parsePositions } from "./sse_positions.ts";
import type { TransportAcceptor } from "./transport.ts";
import { TRANSPORT_DEFAULTS, type TransportOptions } from "./transport_options.ts";

/** Names the event stream to which a POST belongs. */
export const TRANSPORT_HEADER = "slipstream-transport";

/**
 * The fallback over plain HTTP: `GET /rt/sse` down, `POST /rt/send` up, both in the JSON dialect.
 *
 * - Down: the first event is `open`, its data `{"transport":"<id>"}`; then the data of each event
 *   is messages, one a line; the last event is `close` with `{"code":…,"reason":…}`.
 * - Up: messages, one a line, with the id in the header {@linkcode TRANSPORT_HEADER}. A simple form
 *   of another site cannot set that header. Answers to commands come down the stream.
 * - `GET /rt/sse?channel=a&channel=b` serves clients that only read ({@linkcode PlainSseTransport}).
 *   They prove who they are by `Authorization: Bearer …` (RFC 6750 §2.1) or, as an `EventSource`
 *   cannot send that, by `&ticket=…`; a token in a URL is refused, as URLs are logged.
 */
export class SseHandler {
  readonly #neighbours: SseNeighbours | undefined;
  readonly #options: TransportOptions;
  readonly #transports = new Map<string, SseTransport>();
  /** POSTs being read, per transport. */
  readonly #posting = new Map<SseTransport, number>();
  readonly #onEnd = (transport: SseTransport): void => {
    this.#transports.delete(transport.id);
  };

  /** @param neighbours The other nodes, whose POSTs may come here. */
  constructor(options: Partial<TransportOptions> = {}, neighbours?: SseNeighbours) {
    this.#options = { ...TRANSPORT_DEFAULTS, ...options };
    this.#neighbours = neighbours;
  }

  /** How many event streams are open. */
  get size(): number {
    return this.#transports.size;
  }

  /** Answers a GET whose origin has passed with an event stream; 400 to a bad `Last-Event-ID`. */
  open(request: Request, info: PeerInfo, accept: TransportAcceptor): Response {
    const channels = [...new Set(new URL(request.url).searchParams.getAll("channel"))];
    let transport: SseTransport;
    if (channels.length === 0) {
      transport = new SseTransport(
        request,
        info,
        this.#options,
        this.#onEnd,
        this.#neighbours?.node,
      );
      this.#transports.set(transport.id, transport);
    } else {
      const ticket = new URL(request.url).searchParams.get("ticket") ?? undefined;
      if (ticket?.includes(".")) {
        return refusal(400, "A ticket of POST /rt/ticket was expected in the URL, not a token");
      }
      const token = bearerOf(request.headers) ?? ticket;
      let since: ReadonlyMap<string, Position>;
      try {
        since = parsePositions(request.headers.get("last-event-id") ?? "");
      } catch (error) {
        if (error instanceof ProtocolError) return refusal(400, error.message);
        throw error;
      }
      transport = new PlainSseTransport(
        request,
        info,
        this.#options,
        this.#onEnd,
        channels,
        token,
        since,
      );
    }
    transport.open(accept);
    return new Response(transport.body, { headers: STREAM_HEADERS });
  }

  /**
   * Answers a POST whose origin has passed: 204 when its messages were taken. 400 and 413 say what
   * was wrong with them and close the transport; 404: no such transport, 408: too slow, 415: not
   * JSON, 429: too many POSTs at once.
   */
  async send(request: Request): Promise<Response> {
    const id = request.headers.get(TRANSPORT_HEADER) ?? "";
    const transport = this.#transports.get(id);
    const node = transport === undefined ? this.#nodeOf(id) : undefined;
    if (transport === undefined && node === undefined) {
      await request.body?.cancel();
      return refusal(404, NO_STREAM);
    }
    const type = request.headers.get("content-type") ?? "none";
    if (!/^application\/json *(;|$)/i.test(type)) {
      await request.body?.cancel();
      return refusal(415, `The content type application/json was expected: ${type}`);
    }
    if (transport === undefined) return await this.#forward(request, node!, id);
    const posting = this.#posting.get(transport) ?? 0;
    if (posting >= MAX_POSTS) {
      await request.body?.cancel();
      return refusal(429, `At most ${MAX_POSTS} requests at once were expected`);
    }
    this.#posting.set(transport, posting + 1);
    try {
      return await this.#receive(request, transport);
    } finally {
      const left = this.#posting.get(transport)! - 1;
      if (left > 0) this.#posting.set(transport, left);
      else this.#posting.delete(transport);
    }
  }

  /** Takes a POST that came to another node; its answer. */
  receive(id: string, text: string): PostAnswer {
    const transport = this.#transports.get(id);
    if (transport === undefined) return { status: 404, text: NO_STREAM };
    return answerTo(transport.post(text));
  }

  async #receive(request: Request, transport: SseTransport): Promise<Response> {
    let text: string | undefined;
    try {
      text = await this.#readText(request);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      transport.close(error.closeCode, error.message);
      return responseOf(answerTo(error));
    }
    if (text === undefined) return refusal(408, TOO_SLOW);
    return responseOf(answerTo(transport.post(text)));
  }

  /** Hands a POST on to the node that has the stream. */
  async #forward(request: Request, node: string, id: string): Promise<Response> {
    let text: string | undefined;
    try {
      text = await this.#readText(request);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return responseOf(answerTo(error));
    }
    if (text === undefined) return refusal(408, TOO_SLOW);
    const answer = await this.#neighbours!.post(node, id, text);
    return responseOf(answer ?? { status: 404, text: NO_STREAM });
  }

  /** The other node that an id names, if it does. */
  #nodeOf(id: string): string | undefined {
    const neighbours = this.#neighbours;
    if (neighbours === undefined || !STREAM_ID.test(id)) return undefined;
    const node = id.slice(0, neighbours.node.length);
    return node === neighbours.node ? undefined : node;
  }

  /**
   * The body as text; `undefined` if it took too long.
   *
   * @throws {ProtocolError} If it is too large, cut off or no UTF-8.
   */
  async #readText(request: Request): Promise<string | undefined> {
    try {
      const bytes = await this.#readBody(request);
      return bytes && decoder.decode(bytes);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError("A body of UTF-8 was expected: invalid or cut off");
    }
  }

  /** The whole body, or `undefined` if it took too long. */
  async #readBody(request: Request): Promise<Uint8Array | undefined> {
    if (request.body === null) return new Uint8Array(0);
    const { clock, closeTimeoutMs, maxBatchBytes } = this.#options;
    const reader = request.body.getReader();
    let late = false;
    const timer = clock.setTimeout(() => {
      late = true;
      reader.cancel().catch(() => {});
    }, closeTimeoutMs);
    try {
      const chunks: Uint8Array[] = [];
      let size = 0;
      while (true) {
        const { done, value } = await reader.read();
        if (late) return undefined;
        if (done) return concat(chunks);
        size += value.length;
        if (size > maxBatchBytes) {
          reader.cancel().catch(() => {});
          throw messageTooLarge(maxBatchBytes, size);
        }
        chunks.push(value);
      }
    } finally {
      clock.clearTimeout(timer);
    }
  }
}

/** The answer to a POST. */
export interface PostAnswer {
  readonly status: number;
  /** What was wrong; "" if nothing. */
  readonly text: string;
}

/** The other nodes, as an {@linkcode SseHandler} sees them. */
export interface SseNeighbours {
  /** The name of this node, with which the ids of its streams begin. */
  readonly node: string;
  /** Hands a POST on to the node that has its stream; `undefined` if that does not answer. */
  post(node: string, id: string, text: string): Promise<PostAnswer | undefined>;
}

function answerTo(error: ProtocolError | undefined): PostAnswer {
  if (error === undefined) return { status: 204, text: "" };
  const tooLarge = error.closeCode === CloseCode.MESSAGE_TOO_LARGE;
  return { status: tooLarge ? 413 : 400, text: error.message };
}

function responseOf({ status, text }: PostAnswer): Response {
  return status === 204 ? new Response(null, { status }) : refusal(status, text);
}

const NO_STREAM = `A ${TRANSPORT_HEADER} header that names an open stream was expected`;
const TOO_SLOW = "The request's body took too long";

/** What a node makes, in hexadecimal. */
const STREAM_ID = /^[0-9a-f]{32}$/;

/** The token of an `Authorization` header (RFC 6750 §2.1), if it has one. */
export function bearerOf(headers: Headers): string | undefined {
  return /^Bearer +([^ ]+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
}

/** The SDK has one POST under way; another may come before an aborted one is noticed. */
const MAX_POSTS = 4;

const STREAM_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx would collect events until its buffer is full.
  "x-accel-buffering": "no",
};

const decoder = new TextDecoder("utf-8", { fatal: true });
