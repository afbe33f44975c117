import type { CloseInfo } from "../../src/protocol/close_code.ts";
import type { ServerMessage } from "../../src/protocol/message.ts";

/**
 * The reading end of a raw client: `read` brings the messages of one more piece of the stream, a
 * {@linkcode CloseInfo} when the server has closed, `undefined` when it broke off.
 */
export class MessageQueue {
  readonly #read: () => Promise<readonly ServerMessage[] | CloseInfo | undefined>;
  readonly #messages: ServerMessage[] = [];
  readonly #closed = Promise.withResolvers<CloseInfo>();
  #ended = false;
  #draining: Promise<void> | undefined;

  constructor(read: () => Promise<readonly ServerMessage[] | CloseInfo | undefined>) {
    this.#read = read;
    this.#closed.promise.catch(() => {});
  }

  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  /** @throws {Error} If the stream ended instead. */
  async next(): Promise<ServerMessage> {
    while (this.#messages.length === 0 && !this.#ended) await this.#more();
    const message = this.#messages.shift();
    if (message === undefined) throw new Error("A message was expected: the end");
    return message;
  }

  /** Reads and forgets all until the end, which {@linkcode closed} tells. */
  drain(): void {
    this.#draining ??= this.#drain().catch((error) => this.#closed.reject(error));
  }

  async #drain(): Promise<void> {
    while (!this.#ended) {
      await this.#more();
      this.#messages.length = 0;
    }
  }

  async #more(): Promise<void> {
    const read = await this.#read();
    if (read !== undefined && !("code" in read)) {
      this.#messages.push(...read);
      return;
    }
    this.#ended = true;
    if (read === undefined) this.#closed.reject(new Error("A close was expected: broken off"));
    else this.#closed.resolve(read);
  }
}
