import { CommandError, ErrorCode } from "../../protocol/error_code.ts";
import type {
  Age,
  ChannelPosition,
  Member,
  Position,
  ServerMessage,
  Subscribe,
  Track,
  Unsubscribe,
} from "../../protocol/message.ts";
import type { Account } from "../limits/account.ts";
import type { Attachment } from "../attachment.ts";
import type { LimitName } from "../limits/limit_name.ts";
import { LatestSubscription } from "./latest_subscription.ts";
import { OrderedSubscription } from "./ordered_subscription.ts";
import type { Outbound } from "./outbound.ts";
import type { Rights } from "../rights/rights.ts";
import type { SessionContext } from "../session_context.ts";
import type { SubscriptionRecord } from "../travel/session_record.ts";
import type { Subscription, SubscriptionOwner } from "./subscription.ts";

/** The session whose subscriptions they are. */
export interface SubscribingSession extends SubscriptionOwner {
  readonly attachment: Attachment | undefined;
  /** How it is named in presence. */
  readonly member: Member;
  readonly rights: Rights;
  /** What it is subscribed to, or which keys, has changed. */
  subscriptionsChanged(): void;
  /** What its user and its address have left. */
  readonly account: Account;
  /** Counts that a limit stood against `what`, and says so. */
  refusalOf(limit: LimitName, what: string | number): CommandError;
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

  async subscribe(message: Subscribe): Promise<undefined> {
    const { id, channel, position, keys } = message;
    const { hub, options, onError } = this.#context;
    const known = this.get(channel);
    if (known !== undefined) return subscribeAgain(known, id);
    const { delivery, presence } = hub.namespaces.of(channel);
    if (keys !== undefined) {
      if (delivery !== "latest") {
        throw new CommandError(
          ErrorCode.BAD_REQUEST,
          `A subscription to an ordered channel takes no keys: "${channel}"`,
        );
      }
      this.#checkKeys(keys.length);
    }
    const subscriptions = this.#byChannel ??= new Map();
    if (subscriptions.size >= options.maxSubscriptions) {
      throw this.#session.refusalOf("session.maxSubscriptions", subscriptions.size + 1);
    }
    const subscription = this.#create(channel, id, keys);
    subscriptions.set(channel, subscription);
    try {
      const taken = this.#session.account.subscribe();
      this.#count(subscription, taken instanceof Promise ? await taken : taken);
      const hearsPresence = this.#session.rights.subscribe(message);
      if (typeof hearsPresence === "boolean") subscription.hearsPresence = hearsPresence;
      else {
        subscription.hearsPresence = await hearsPresence;
        this.#require(subscription);
      }
      await hub.subscribe(channel, subscription, position);
    } catch (error) {
      if (this.#has(subscription)) this.#forget(channel);
      throw error;
    }
    this.#require(subscription);
    this.#session.subscriptionsChanged();
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

  /** Changes the keys of a subscription that has some. */
  // Async, so that what it throws is answered.
  // deno-lint-ignore require-await
  async track({ id, channel, add, remove }: Track): Promise<ServerMessage> {
    const subscription = this.get(channel);
    if (!(subscription instanceof LatestSubscription)) {
      throw new CommandError(
        ErrorCode.NOT_FOUND,
        `There is no subscription to a latest channel: "${channel}"`,
      );
    }
    const { keys } = subscription;
    if (keys === undefined) {
      throw new CommandError(
        ErrorCode.CONFLICT,
        `The subscription has every key: "${channel}"`,
      );
    }
    const added = add.filter((key) => !keys.has(key));
    this.#checkKeys(keys.size + added.length);
    subscription.want(added, remove);
    const still = added.filter((key) => keys.has(key));
    subscription.replay(this.#context.hub.track(channel, subscription, still, remove));
    this.#session.subscriptionsChanged();
    return { type: "tracked", id, channel };
  }

  /** Takes the client's word of how old a channel's values were when they came. */
  aged({ channel, ageMs }: Age): void {
    const subscription = this.get(channel);
    if (!(subscription instanceof LatestSubscription)) return;
    subscription.aged(ageMs);
    this.#context.hub.noteAge(channel, ageMs);
  }

  /** Takes them out of the hub and notes from where they would go on. */
  suspend(outbound: Outbound): void {
    if (this.#byChannel === undefined) return;
    const unwritten = outbound.unwritten();
    for (const subscription of this.#byChannel.values()) {
      const { channel } = subscription;
      this.#context.hub.unsubscribe(channel, subscription);
      // The client has no answer yet and asks again.
      if (!subscription.kept) this.#forget(channel);
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

  /** What another node needs to go on with them. */
  records(): SubscriptionRecord[] {
    return Array.from(
      this.#byChannel?.values() ?? [],
      ({ channel, commandId, keys }) => ({ channel, commandId, keys: keys && [...keys] }),
    );
  }

  /** Goes on with those of another node, which had got as far as `positions`. */
  restore(records: readonly SubscriptionRecord[], positions: readonly ChannelPosition[]): void {
    const subscriptions = this.#byChannel = new Map<string, Subscription>();
    for (const { channel, commandId, keys } of records) {
      try {
        const subscription = this.#create(channel, commandId, keys);
        subscription.suspend(undefined);
        subscriptions.set(channel, subscription);
        subscription.counted = true;
        this.#session.account.keepSubscription();
      } catch {
        // The nodes are configured differently: the client is told when it asks.
      }
    }
    for (const position of positions) subscriptions.get(position.channel)?.resumeFrom(position);
  }

  /** Gives them up for another node, where they go on from these positions. Presence stays. */
  depart(): ChannelPosition[] {
    const subscriptions = [...this.#byChannel?.values() ?? []];
    this.#byChannel = undefined;
    for (const subscription of subscriptions) this.#uncount(subscription);
    return subscriptions.map(({ channel, position }) => ({ channel, ...position }));
  }

  /** Makes the session present, as this node's, wherever it is subscribed. */
  join(): void {
    const { hub, onError } = this.#context;
    for (const channel of this.#byChannel?.keys() ?? []) {
      if (!hub.namespaces.of(channel).presence) continue;
      hub.join(channel, this.#session.member).catch(onError);
    }
  }

  /** Ends what the client has no right to any more, of all channels or of one. */
  recheck(only?: string): void {
    for (const subscription of this.#byChannel?.values() ?? []) {
      const { channel } = subscription;
      if (only !== undefined && channel !== only) continue;
      try {
        this.#session.rights.keep(channel);
      } catch (error) {
        this.#end(subscription, error);
      }
    }
  }

  /** Leaves every channel: the session has ended, and its transport with it. */
  end(): void {
    for (const subscription of this.#byChannel?.values() ?? []) {
      this.#uncount(subscription);
      this.#leavePresence(subscription.channel);
    }
    this.#byChannel = undefined;
  }

  async #resume(subscription: Subscription, position: Position): Promise<void> {
    const { channel } = subscription;
    const { attachment } = this.#session;
    try {
      this.#session.rights.keep(channel);
      await this.#context.hub.subscribe(channel, subscription, position);
    } catch (error) {
      // Another transport has begun the subscription anew, or it is gone.
      if (!this.#has(subscription) || this.#session.attachment !== attachment) return;
      this.#end(subscription, error);
    }
  }

  /** Ends a subscription for `error`, and says so on its lane if it has one. */
  #end(subscription: Subscription, error: unknown): void {
    const { channel } = subscription;
    this.#drop(subscription);
    const known = error instanceof CommandError;
    if (!known) this.#context.onError(error);
    const message = {
      type: "unsubscribed",
      id: 0,
      channel,
      code: known ? error.code : ErrorCode.INTERNAL,
      reason: known ? error.message : "Internal error",
    } as const;
    if (subscription.begun) subscription.end(message);
    else this.#session.attachment?.send(message);
  }

  /** @throws {CommandError} If the subscription was ended meanwhile. */
  #require(subscription: Subscription): void {
    if (this.#has(subscription)) return;
    throw new CommandError(
      ErrorCode.CONFLICT,
      `The subscription was ended: "${subscription.channel}"`,
    );
  }

  /** @throws {CommandError} If a `limit` stands against it, or it was ended meanwhile. */
  #count(subscription: Subscription, limit: LimitName | undefined): void {
    const { account } = this.#session;
    if (limit !== undefined) throw this.#session.refusalOf(limit, `"${subscription.channel}"`);
    if (this.#has(subscription)) subscription.counted = true;
    else account.unsubscribe();
    this.#require(subscription);
  }

  #uncount(subscription: Subscription): void {
    if (!subscription.counted) return;
    subscription.counted = false;
    this.#session.account.unsubscribe();
  }

  #forget(channel: string): void {
    const subscription = this.get(channel);
    if (subscription !== undefined) this.#uncount(subscription);
    this.#byChannel?.delete(channel);
    this.#session.rights.forget(channel);
  }

  #create(channel: string, id: number, keys: readonly string[] | undefined): Subscription {
    const { delivery, overflow, maxAgeMs } = this.#context.hub.namespaces.of(channel);
    return delivery === "latest"
      ? new LatestSubscription(this.#session, channel, id, { keys, maxAgeMs })
      : new OrderedSubscription(this.#session, channel, id, overflow);
  }

  #checkKeys(count: number): void {
    const { maxTrackedKeys } = this.#context.options;
    if (count <= maxTrackedKeys) return;
    throw new CommandError(
      ErrorCode.TOO_MANY,
      `A subscription has at most ${maxTrackedKeys} keys: ${count}`,
    );
  }

  #has(subscription: Subscription): boolean {
    return this.get(subscription.channel) === subscription;
  }

  /** Takes a subscription out of the session, the hub and presence. */
  #drop(subscription: Subscription): void {
    const { channel } = subscription;
    this.#forget(channel);
    this.#session.subscriptionsChanged();
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
