import { EncodedMessage } from "../protocol/encoded_message.ts";
import type { ErrorReply, Published } from "../protocol/message.ts";

/**
 * The answers to a session's newest publishes. A client that has lost an answer with its transport
 * sends the command again, with the same id, and it must not be published twice.
 */
export class PublishAnswers {
  /** By command id, rising; `undefined` while the broker has yet to answer. */
  readonly #answers = new Map<number, EncodedMessage | undefined>();
  #newest = 0;

  /** Notes a command; "new" if it is to be done, "pending" if its answer comes by itself. */
  begin(id: number): "new" | "pending" | "forgotten" | EncodedMessage {
    if (id > this.#newest) {
      this.#newest = id;
      this.#answers.set(id, undefined);
      if (this.#answers.size > MAX_ANSWERS) {
        this.#answers.delete(this.#answers.keys().next().value!);
      }
      return "new";
    }
    return this.#answers.has(id) ? this.#answers.get(id) ?? "pending" : "forgotten";
  }

  /** Those that there are, by their ids: another node goes on with them. */
  list(): (Published | ErrorReply)[] {
    const list = [];
    for (const answer of this.#answers.values()) {
      const message = answer?.message;
      if (message?.type === "published" || message?.type === "error") list.push(message);
    }
    return list;
  }

  /** Goes on with those of another node. */
  restore(answers: readonly (Published | ErrorReply)[]): void {
    for (const answer of answers) {
      this.#newest = Math.max(this.#newest, answer.id);
      this.#answers.set(answer.id, new EncodedMessage(answer));
    }
  }

  /** Takes back a command that was begun and is not to be done. */
  forget(id: number): void {
    this.#answers.delete(id);
  }

  /** Keeps the answer to a command that was begun. */
  finish(id: number, answer: EncodedMessage): void {
    if (this.#answers.has(id)) this.#answers.set(id, answer);
  }
}

/** As many as may be in flight by default, and so may have lost their answer at once. */
const MAX_ANSWERS = 128;
