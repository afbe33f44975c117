import type { Random } from "../../src/policy/random.ts";
import * as binary from "../../src/protocol/binary.ts";
import type { Encoding } from "../../src/protocol/encoded_message.ts";
import { Framer } from "../../src/protocol/framer.ts";
import * as json from "../../src/protocol/json.ts";
import { CLIENT_MESSAGES } from "../fuzz/protocol_targets.ts";
import { mutate } from "../fuzz/mutate.ts";

const MAX_MESSAGE_BYTES = 65_536;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Messages as frames of the binary dialect. */
export const BINARY_MESSAGES = CLIENT_MESSAGES.map(binary.encodeClientMessage);

/** Messages as lines of the JSON dialect. */
export const JSON_MESSAGES = CLIENT_MESSAGES.map((message) =>
  encoder.encode(json.encodeClientMessage(message))
);

/** What a client sends by datagram. */
export const DATAGRAMS = CLIENT_MESSAGES
  .filter((message) => message.type === "seen" || message.type === "publish" && message.id === 0)
  .map(binary.encodeClientMessage);

/** A well-formed `connect`, after which other messages are looked at. */
export const CONNECT = {
  binary: binary.encodeClientMessage({ type: "connect", id: 1 }),
  json: json.encodeClientMessage({ type: "connect", id: 1 }),
} as const;

/** A well-formed `leave`, to which the server answers with its close. */
export const LEAVE = {
  binary: binary.encodeClientMessage({ type: "leave" }),
  json: json.encodeClientMessage({ type: "leave" }),
} as const;

/**
 * Mutated messages of one connection, and what the protocol says of them: after one that is
 * `fatal` nothing is read any more.
 */
export class MessageSource {
  /** Whether the last message ends the connection. */
  fatal = false;
  readonly #encoding: Encoding;
  readonly #random: Random;
  readonly #framer = new Framer(MAX_MESSAGE_BYTES);

  constructor(encoding: Encoding, random: Random) {
    this.#encoding = encoding;
    this.#random = random;
  }

  /** Whether the server waits for more of a frame that a message began. */
  get torn(): boolean {
    return this.#framer.pendingBytes > 0;
  }

  /** The next message: a frame, or what is left of one. */
  nextFrame(): Uint8Array {
    const bytes = mutate(BINARY_MESSAGES, this.#random);
    this.#judge(() => {
      this.#framer.push(bytes.slice());
      for (let frame; (frame = this.#framer.next()) !== undefined;) {
        this.#judgeType(binary.decodeClientMessage(frame).type);
      }
    });
    return bytes;
  }

  /** The next message as text, of one line or more. */
  nextText(): string {
    const text = decoder.decode(mutate(JSON_MESSAGES, this.#random));
    this.#judge(() => {
      for (const line of text.split("\n")) this.#judgeType(json.decodeClientMessage(line).type);
    });
    return text;
  }

  /** The next message in this connection's encoding. */
  next(): Uint8Array | string {
    return this.#encoding === "json" ? this.nextText() : this.nextFrame();
  }

  #judge(parse: () => void): void {
    try {
      parse();
    } catch {
      this.fatal = true;
    }
  }

  #judgeType(type: string): void {
    if (type === "leave" || type === "connect") this.fatal = true;
  }
}
