import { concat } from "../protocol/concat.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";

/**
 * Joins the messages of one write, and remembers the last list: when a publication goes out to a
 * thousand sessions with nothing else in their queues, all of them share one join.
 *
 * What it returns is shared and must not be changed.
 */
export class SharedBatch<Joined> {
  readonly #join: (messages: readonly EncodedMessage[]) => Joined;
  #messages: readonly EncodedMessage[] = [];
  #joined: Joined | undefined;

  constructor(join: (messages: readonly EncodedMessage[]) => Joined) {
    this.#join = join;
  }

  of(messages: readonly EncodedMessage[]): Joined {
    if (this.#joined !== undefined && sameMessages(messages, this.#messages)) return this.#joined;
    const joined = this.#join(messages);
    this.#joined = joined;
    this.#messages = messages.slice();
    return joined;
  }
}

/** Frames of the binary dialect, one after the other. */
export const binaryBatch: SharedBatch<Uint8Array> = new SharedBatch((messages) =>
  messages.length === 1 ? messages[0]!.bytes("binary") : concat(messages.map(binaryBytes))
);

/** Messages of the JSON dialect as text, one a line. */
export const textBatch: SharedBatch<string> = new SharedBatch((messages) =>
  messages.map(jsonText).join("\n")
);

/**
 * Messages of the JSON dialect as the `data` lines of one server-sent event, without the empty
 * line that ends it.
 */
export const eventLinesBatch: SharedBatch<Uint8Array> = new SharedBatch((messages) => {
  const parts: Uint8Array[] = [];
  for (const message of messages) parts.push(DATA, message.bytes("json"), NEWLINE);
  return concat(parts);
});

/** Messages of the JSON dialect as one whole server-sent event. */
export const eventBatch: SharedBatch<Uint8Array> = new SharedBatch((messages) =>
  concat([eventLinesBatch.of(messages), NEWLINE])
);

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const DATA = encoder.encode("data: ");
const NEWLINE = encoder.encode("\n");

function binaryBytes(message: EncodedMessage): Uint8Array {
  return message.bytes("binary");
}

function jsonText(message: EncodedMessage): string {
  return decoder.decode(message.bytes("json"));
}

function sameMessages(a: readonly EncodedMessage[], b: readonly EncodedMessage[]): boolean {
  if (a.length !== b.length) return false;
  // Lists that differ mostly differ at their end, the newest message.
  for (let index = a.length - 1; index >= 0; index--) if (a[index] !== b[index]) return false;
  return true;
}
