import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Position } from "../protocol/message.ts";
import { concat } from "../protocol/concat.ts";
import { eventLinesBatch } from "./batch.ts";
import { SseTransport } from "./sse.ts";
import { SsePositions } from "./sse_positions.ts";
import type { PeerInfo } from "./peer_transport.ts";
import type { TransportAcceptor } from "./transport.ts";
import type { TransportOptions } from "./transport_options.ts";

/**
 * An event stream for clients that only read, such as a bare `EventSource` or curl: it connects and
 * subscribes by itself, and says in `id` lines where to go on.
 *
 * A client that cannot answer pings lives as long as its TCP: a ping becomes a comment, and counts
 * as answered once Deno has taken it.
 */
export class PlainSseTransport extends SseTransport {
  readonly #channels: readonly string[];
  readonly #token: string | undefined;
  readonly #since: ReadonlyMap<string, Position>;
  readonly #positions = new SsePositions();

  /**
   * @param token What proves who the client is, if it has shown something.
   * @param since Where to go on, for those of `channels` that the client has seen.
   */
  constructor(
    request: Request,
    info: PeerInfo,
    options: TransportOptions,
    onEnd: (transport: SseTransport) => void,
    channels: readonly string[],
    token: string | undefined,
    since: ReadonlyMap<string, Position>,
  ) {
    super(request, info, options, onEnd);
    this.#channels = channels;
    this.#token = token;
    this.#since = since;
  }

  override open(accept: TransportAcceptor): void {
    // So that headers go out, whatever comes when.
    this.push(COMMENT);
    this.accept(accept);
    const token = this.#token;
    this.receive({ type: "connect", id: 1, ...(token !== undefined && { token }) }, 0);
    this.#channels.forEach((channel, index) => {
      const position = this.#since.get(channel);
      const message = { type: "subscribe", id: 2 + index, channel } as const;
      if (this.receiving) {
        this.receive(position === undefined ? message : { ...message, position }, 0);
      }
    });
  }

  override send(messages: readonly EncodedMessage[]): void {
    if (!this.receiving) return;
    const shown = messages.filter((message) => message.message.type !== "ping");
    if (shown.length < messages.length) this.push(COMMENT);
    if (shown.length === 0) return;
    const parts = [eventLinesBatch.of(shown)];
    const retry = this.#retryLine(shown);
    if (retry !== undefined) parts.push(retry);
    if (this.#positions.observe(shown)) parts.push(encoder.encode(`id: ${this.#positions}\n`));
    parts.push(NEWLINE);
    this.push(concat(parts));
  }

  protected override taken(): void {
    this.alive();
  }

  /** Spreads the return of clients that know nothing of `reconnectSpreadMs`. */
  #retryLine(messages: readonly EncodedMessage[]): Uint8Array | undefined {
    for (const { message } of messages) {
      if (message.type !== "connected") continue;
      const { random } = this.options;
      const delayMs = MIN_RETRY_MS + Math.floor(random() * message.reconnectSpreadMs);
      return encoder.encode(`retry: ${delayMs}\n`);
    }
    return undefined;
  }
}

/** A client that is turned away at once must not come back in a loop. */
const MIN_RETRY_MS = 1_000;

const encoder = new TextEncoder();
const COMMENT = encoder.encode(":\n\n");
const NEWLINE = encoder.encode("\n");
