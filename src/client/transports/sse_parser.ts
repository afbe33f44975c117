import { messageTooLarge } from "../../protocol/protocol_error.ts";

/** One event of an event stream. */
export interface ServerSentEvent {
  /** `message` where the stream names none. */
  readonly type: string;
  readonly data: string;
}

/**
 * Parses `text/event-stream` (HTML §9.2.6) as far as our server uses it: lines end with LF or
 * CR LF, never with a lone CR; `id` and `retry` mean nothing here.
 */
export class SseParser {
  readonly #decoder = new TextDecoder();
  readonly #maxEventLength: number;
  readonly #events: ServerSentEvent[] = [];
  /** The start of a line whose end has not come. */
  #partial = "";
  #type = "";
  #data: string[] = [];
  #length = 0;

  /** An event of more than `maxEventLength` UTF-16 units is refused. */
  constructor(maxEventLength: number) {
    this.#maxEventLength = maxEventLength;
  }

  /** @throws {ProtocolError} With `MESSAGE_TOO_LARGE` once an event is over the limit. */
  push(chunk: Uint8Array): void {
    const lines = this.#decoder.decode(chunk, { stream: true }).split("\n");
    this.#length += lines[0]!.length;
    lines[0] = this.#partial + lines[0]!;
    for (let at = 0; at < lines.length - 1; at++) {
      this.#line(lines[at]!.replace(/\r$/, ""));
      this.#length += lines[at + 1]!.length;
      this.#check();
    }
    this.#partial = lines[lines.length - 1]!;
    this.#check();
  }

  /** The next whole event, or `undefined` until more is pushed. */
  next(): ServerSentEvent | undefined {
    return this.#events.shift();
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) {
      // Comments keep an idle stream alive; those between two events add up to nothing.
      if (this.#data.length === 0) this.#length = 0;
      return;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
  }

  #dispatch(): void {
    if (this.#data.length > 0) {
      this.#events.push({ type: this.#type || "message", data: this.#data.join("\n") });
    }
    this.#type = "";
    this.#data = [];
    this.#length = 0;
  }

  #check(): void {
    if (this.#length > this.#maxEventLength) {
      throw messageTooLarge(this.#maxEventLength, this.#length);
    }
  }
}
