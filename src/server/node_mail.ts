import { MAIL_NAMESPACE } from "../hub/namespaces.ts";
import type { Hub } from "../hub/hub.ts";
import type { Clock, TimerId } from "../policy/clock.ts";
import { ServerSubscription } from "./server_subscription.ts";

/** Answers a request of another node; `undefined` is an answer as well. */
export type MailHandler = (body: never) => unknown;

export interface NodeMailOptions {
  readonly hub: Hub;
  /** Names this node. */
  readonly name: string;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/**
 * Requests from node to node, each on a channel of its own that Redis carries and does not keep. One
 * that is not answered in time is not asked again: that node is gone, or cut off.
 */
export class NodeMail {
  readonly name: string;
  readonly #hub: Hub;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #handlers = new Map<string, MailHandler>();
  readonly #waiting = new Map<number, { answer: (body: unknown) => void; timer: TimerId }>();
  #lastId = 0;

  private constructor({ hub, name, clock, onError }: NodeMailOptions) {
    this.#hub = hub;
    this.name = name;
    this.#clock = clock;
    this.#onError = onError;
  }

  static async open(options: NodeMailOptions): Promise<NodeMail> {
    const mail = new NodeMail(options);
    await options.hub.subscribe(
      channelOf(options.name),
      new ServerSubscription({
        onPublication: ({ data }) => mail.#receive(JSON.parse(decoder.decode(data.bytes))),
      }),
    );
    return mail;
  }

  /** Has requests of this kind answered by `handler`. */
  handle(kind: string, handler: MailHandler): void {
    this.#handlers.set(kind, handler);
  }

  /** Asks another node; `undefined` if it does not answer in time, or too many wait for answers. */
  async request(node: string, kind: string, body: unknown): Promise<unknown> {
    if (this.#waiting.size >= MAX_WAITING) return undefined;
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const timer = this.#clock.setTimeout(() => this.#settle(id, undefined), TIMEOUT_MS);
    this.#waiting.set(id, { answer: resolve, timer });
    this.#send(node, { from: this.name, id, kind, body });
    return await promise;
  }

  close(): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, undefined);
  }

  #receive(letter: Letter): void {
    if ("kind" in letter) void this.#answer(letter);
    else this.#settle(letter.to, letter.body);
  }

  async #answer({ from, id, kind, body }: Request): Promise<void> {
    try {
      const answer = await this.#handlers.get(kind)?.(body as never);
      this.#send(from, { to: id, body: answer });
    } catch (error) {
      this.#onError(error);
    }
  }

  #settle(id: number, body: unknown): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#clock.clearTimeout(waiting.timer);
    waiting.answer(body);
  }

  #send(node: string, letter: Letter): void {
    const bytes = encoder.encode(JSON.stringify(letter));
    const data = { format: "json", bytes } as const;
    // Where Redis is out of reach the time runs out.
    this.#hub.publish({ channel: channelOf(node), data }).catch(() => {});
  }
}

interface Request {
  readonly from: string;
  readonly id: number;
  readonly kind: string;
  readonly body: unknown;
}

type Letter = Request | { readonly to: number; readonly body: unknown };

function channelOf(node: string): string {
  return `${MAIL_NAMESPACE}:${node}`;
}

/** Many times what Redis takes, and short enough for a client that waits. */
const TIMEOUT_MS = 1500;

/** As many clients as come back in that time, at the fastest. */
const MAX_WAITING = 10_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
