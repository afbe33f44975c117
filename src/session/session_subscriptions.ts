import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  ChannelPosition,
  Member,
  Position,
  ServerMessage,
  Subscribe,
  Unsubscribe,
} from "../protocol/message.ts";
import type { Attachment } from "./attachment.ts";
import { LatestSubscription } from "./latest_subscription.ts";
import { OrderedSubscription } from "./ordered_subscription.ts";
import type { Outbound } from "./outbound.ts";
import type { SessionContext } from "./session_context.ts";
import type { Subscription, SubscriptionOwner } from "./subscription.ts";

/** The session whose subscriptions they are. */
export interface SubscribingSession extends SubscriptionOwner {
  readonly attachment: Attachment | undefined;
  /** How it is named in presence. */
  readonly member: Member;
}

/** The subscriptions of one session, by channel, on a transport or waiting for one. */
export class SessionSubscriptions {
  readonly #context: SessionContext;
  readonly #session: SubscribingSession;
  /** Made with the first. */
  #byChannel: Map<string, Subscription> | undefined;

  constructor(context: SessionContext, session: SubscribingSession) {
    this.#context = context;
    this.#session = session;
  }

  get(channel: string): Subscription | undefined {
    return this.#byChannel?.get(channel);
  }

  async subscribe({ id, channel, position }: Subscribe): Promise<undefined> {
    const { hub, options, onError } = this.#context;
    const known = this.get(channel);
    if (known !== undefined) return subscribeAgain(known, id);
    const { delivery, overflow, presence } = hub.namespaces.of(channel);
    const subscriptions = this.#byChannel ??= new Map();
    if (subscriptions.size >= options.maxSubscriptions) {
      throw new CommandError(
        ErrorCode.TOO_MANY,
        `A session has at most ${options.maxSubscriptions} subscriptions: ${
          subscriptions.size + 1
        }`,
      );
    }
    const subscription = delivery === "latest"
      ? new LatestSubscription(this.#session, channel, id)
      : new OrderedSubscription(this.#session, channel, id, overflow);
    subscriptions.set(channel, subscription);
    try {
      await hub.subscribe(channel, subscription, position);
    } catch (error) {
      if (this.#has(subscription)) subscriptions.delete(channel);
      throw error;
    }
    if (!this.#has(subscription)) {
      throw new CommandError(ErrorCode.CONFLICT, `The subscription was ended: "${channel}"`);
    }
    if (presence) hub.join(channel, this.#session.member).catch(onError);
  }

  // Async, so that what it throws is answered.
  // deno-lint-ignore require-await
  async unsubscribe({ id, channel }: Unsubscribe): Promise<ServerMessage | undefined> {
    const subscription = this.get(channel);
    if (subscription === undefined) {
      throw new CommandError(ErrorCode.NOT_FOUND, `There is no subscription: "${channel}"`);
    }
    const message = { type: "unsubscribed", id, channel, code: 0, reason: "" } as const;
    this.#drop(subscription);
    if (!subscription.begun) return message;
    subscription.end(message);
  }

  /** Takes them out of the hub and notes from where they would go on. */
  suspend(outbound: Outbound): void {
    if (this.#byChannel === undefined) return;
    const unwritten = outbound.unwritten();
    for (const subscription of this.#byChannel.values()) {
      const { channel } = subscription;
      this.#context.hub.unsubscribe(channel, subscription);
      // The client has no answer yet and asks again.
      if (!subscription.kept) this.#byChannel.delete(channel);
      else subscription.suspend(unwritten.get(channel));
    }
  }

  /** Begins them anew on the session's new transport, from `positions` where given. */
  resume(positions: readonly ChannelPosition[]): void {
    if (this.#byChannel === undefined) return;
    const byChannel = new Map(positions.map((position) => [position.channel, position]));
    for (const subscription of this.#byChannel.values()) {
      const position = byChannel.get(subscription.channel);
      if (position !== undefined) subscription.resumeFrom(position);
      void this.#resume(subscription, subscription.position);
    }
  }

  /** Leaves every channel: the session has ended, and its transport with it. */
  end(): void {
    for (const channel of this.#byChannel?.keys() ?? []) this.#leavePresence(channel);
    this.#byChannel = undefined;
  }

  async #resume(subscription: Subscription, position: Position): Promise<void> {
    const { channel } = subscription;
    const { attachment } = this.#session;
    try {
      await this.#context.hub.subscribe(channel, subscription, position);
    } catch (error) {
      // Another transport has begun the subscription anew, or it is gone.
      if (!this.#has(subscription) || this.#session.attachment !== attachment) return;
      this.#drop(subscription);
      const known = error instanceof CommandError;
      if (!known) this.#context.onError(error);
      attachment?.send({
        type: "unsubscribed",
        id: 0,
        channel,
        code: known ? error.code : ErrorCode.INTERNAL,
        reason: known ? error.message : "Internal error",
      });
    }
  }

  #has(subscription: Subscription): boolean {
    return this.get(subscription.channel) === subscription;
  }

  /** Takes a subscription out of the session, the hub and presence. */
  #drop(subscription: Subscription): void {
    const { channel } = subscription;
    this.#byChannel?.delete(channel);
    this.#context.hub.unsubscribe(channel, subscription);
    this.#leavePresence(channel);
  }

  #leavePresence(channel: string): void {
    const { hub, onError } = this.#context;
    if (hub.namespaces.of(channel).presence) hub.leave(channel, this.#session.id).catch(onError);
  }
}

/** The same command again, after its answer was lost with a transport, is no second one. */
function subscribeAgain(known: Subscription, id: number): undefined {
  if (known.commandId !== id) {
    throw new CommandError(
      ErrorCode.CONFLICT,
      `The session is subscribed already: "${known.channel}"`,
    );
  }
  if (known.begun) known.repeatSubscribed();
  else known.answerId = id;
}
