import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Position } from "../protocol/message.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";

/**
 * What a plain event stream has delivered of each `ordered` channel, as the text of its `id` lines.
 * A client gives the last one back as `Last-Event-ID`, to any node: nothing else is kept of it.
 *
 * The text is a query string (WHATWG URL §5) of channels, each with `offset.epoch`.
 */
export class SsePositions {
  readonly #positions = new Map<string, Position>();

  /** Takes over what goes out; whether the text has changed. */
  observe(messages: readonly EncodedMessage[]): boolean {
    let changed = false;
    for (const { message } of messages) {
      if (message.type === "publication") {
        const known = this.#positions.get(message.channel);
        // A `latest` channel has no position to go on from: its newest values come anyway.
        if (known === undefined) continue;
        this.#positions.set(message.channel, { epoch: known.epoch, offset: message.offset });
      } else if (message.type === "gap" || message.type === "subscribed") {
        if (message.type === "subscribed" && message.delivery === "latest") continue;
        this.#positions.set(message.channel, message.position);
      } else {
        continue;
      }
      changed = true;
    }
    return changed;
  }

  toString(): string {
    const text = new URLSearchParams();
    for (const [channel, { epoch, offset }] of this.#positions) {
      text.append(channel, `${offset}.${epoch}`);
    }
    return text.toString();
  }
}

/**
 * Reads what {@linkcode SsePositions} wrote.
 *
 * @throws {ProtocolError} If `lastEventId` is no such text: going on without it would be a gap that
 * nobody is told of.
 */
export function parsePositions(lastEventId: string): Map<string, Position> {
  const positions = new Map<string, Position>();
  for (const [channel, text] of new URLSearchParams(lastEventId)) {
    const dot = text.indexOf(".");
    const offset = Number(text.slice(0, dot));
    if (!/^\d+\./.test(text) || !Number.isSafeInteger(offset)) {
      throw new ProtocolError(
        `A Last-Event-ID of this server was expected: ${JSON.stringify(lastEventId)}`,
      );
    }
    positions.set(channel, { offset, epoch: text.slice(dot + 1) });
  }
  return positions;
}
