import type { Hub } from "../hub/hub.ts";
import type { SessionOptions } from "../options.ts";
import type { Clock } from "../policy/clock.ts";
import { EncodedMessage } from "../protocol/encoded_message.ts";
import { type CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  ErrorReply,
  Payload,
  Publish,
  Published,
  ServerMessage,
} from "../protocol/message.ts";
import type { Account } from "./limits/account.ts";
import type { CommandGate } from "./limits/command_gate.ts";
import type { LimitName } from "./limits/limit_name.ts";
import { PublishedChannels } from "./limits/published_channels.ts";
import { PublishAnswers } from "./publish_answers.ts";
import type { Rights } from "./rights/rights.ts";

/** What publishing needs of the node. */
export interface PublishingContext {
  readonly hub: Hub;
  readonly options: SessionOptions;
  readonly rates: { readonly clock: Clock };
  /** Lets sessions go on at other nodes; `undefined` where there are none. */
  readonly directory: unknown;
}

/** Whose publications they are. */
export interface PublishingSession {
  readonly id: string;
  readonly account: Account;
  readonly rights: Rights;
  refusalOf(limit: LimitName, what: string): CommandError;
  fail(id: number, code: number, message: string): void;
  /** What comes of a command, errors included. */
  finish(id: number, pending: Promise<ServerMessage>): Promise<ServerMessage | undefined>;
  /** Sends by whatever transport there is. */
  sendEncoded(message: EncodedMessage): void;
}

/**
 * What one session publishes. A publish with an id is answered on whatever transport there is by
 * then, and one that comes again is not done again.
 */
export class Publishing {
  readonly #context: PublishingContext;
  readonly #session: PublishingSession;
  #answers: PublishAnswers | undefined;
  /** The channel that it published to last, and those of the minute once there are two. */
  #lastChannel: string | undefined;
  #channels: PublishedChannels | undefined;

  constructor(context: PublishingContext, session: PublishingSession) {
    this.#context = context;
    this.#session = session;
  }

  /** The answers that there are: another node goes on with them. */
  get answers(): readonly (Published | ErrorReply)[] {
    return this.#answers?.list() ?? [];
  }

  /** Goes on with the answers of another node. */
  restore(answers: readonly (Published | ErrorReply)[]): void {
    if (answers.length > 0) (this.#answers = new PublishAnswers()).restore(answers);
  }

  /** Takes a publish from the client, as far as `gate` lets it. */
  take(message: Publish, bytes: number, gate: CommandGate): void {
    const { id, key } = message;
    if (id === 0) {
      if (key !== undefined) gate.takeValue(message, bytes);
      else if (gate.admitPublish(0, bytes)) this.publishUnanswered(message);
      return;
    }
    const answers = this.#answers ??= new PublishAnswers();
    const known = answers.begin(id);
    if (known instanceof EncodedMessage) return this.#session.sendEncoded(known);
    if (known === "forgotten") {
      return this.#session.fail(id, ErrorCode.CONFLICT, `The id of a publish must rise: ${id}`);
    }
    if (known === "pending") return;
    if (!gate.admitPublish(id, bytes)) return answers.forget(id);
    if (key !== undefined) gate.overtake(message);
    void this.#publishAnswered(answers, message);
  }

  /** Publishes what wants no answer. */
  publishUnanswered(message: Publish): void {
    void this.#session.finish(0, this.#publish(message));
  }

  async #publishAnswered(answers: PublishAnswers, message: Publish): Promise<void> {
    const answer = await this.#session.finish(message.id, this.#publish(message));
    if (answer === undefined) return;
    const encoded = new EncodedMessage(answer);
    answers.finish(message.id, encoded);
    this.#session.sendEncoded(encoded);
  }

  // Async, so that a refusal rejects.
  async #publish(message: Publish): Promise<ServerMessage> {
    return await this.#session.rights.publish(message, this.#publishNow);
  }

  readonly #publishNow = async (
    { id, channel, key, removed }: Publish,
    data: Payload,
  ): Promise<ServerMessage> => {
    this.#chargeChannel(channel);
    const { hub, directory, options } = this.#context;
    const position = await hub.publish({
      channel,
      ...(key !== undefined && { key }),
      ...(removed && { removed }),
      publisher: this.#session.id,
      // Another node knows nothing of the answers that this one has.
      ...(id > 0 && directory !== undefined && {
        once: { id, withinMs: options.resumeWindowMs + REACH_MS },
      }),
      data,
    });
    return { type: "published", id, position };
  };

  /** @throws {CommandError} If too many were published to lately. */
  #chargeChannel(channel: string): void {
    const last = this.#lastChannel;
    if (last === channel) return;
    const { options: { maxChannels }, rates } = this.#context;
    const { account } = this.#session;
    const nowMs = rates.clock.now();
    const channels = last === undefined
      ? undefined
      : this.#channels ??= new PublishedChannels(maxChannels);
    if (!channels?.has(channel, last!, nowMs)) {
      const limit = channels?.full ? "session.maxChannels" : account.takeChannel(nowMs);
      if (limit !== undefined) throw this.#session.refusalOf(limit, `"${channel}"`);
      channels?.add(channel);
    }
    this.#lastChannel = channel;
  }
}

/** What a client may take to notice a loss, and to come to its next node, in milliseconds. */
const REACH_MS = 120_000;
