import type { Broker, BrokerSink, HistoryPage, NewPublication } from "../broker/broker.ts";
import type { Presence, PresenceSink } from "../broker/presence.ts";
import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { EncodedMessage } from "../protocol/encoded_message.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Member, Position, Publication } from "../protocol/message.ts";
import type { Channel, ChannelContext } from "./channel.ts";
import { LatestChannel } from "./latest_channel.ts";
import type { Namespaces } from "./namespaces.ts";
import { OrderedChannel } from "./ordered_channel.ts";
import type { Subscriber } from "./subscriber.ts";

export interface HubOptions {
  readonly broker: Broker;
  readonly presence: Presence;
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly random: Random;
  /** Is told of failures that no caller can be told. */
  readonly onError: (error: unknown) => void;
}

/** A channel as this node has it, from its first subscriber here to its last; live. */
export interface ChannelInfo {
  /** How many sessions of this node are subscribed. */
  readonly subscribers: number;
  /** Publications that were dropped for subscribers that read too slowly, in count. */
  readonly dropped: number;
  /** `latest` values that newer ones replaced before they were sent, in count. */
  readonly conflated: number;
  /**
   * How old `latest` values were when clients got them, by the clients' latest reports, in
   * milliseconds; `undefined` before the first.
   */
  readonly ageMs: { readonly p50: number; readonly p99: number } | undefined;
}

/**
 * The channels of this node and their subscribers. All that is published goes to the broker and
 * comes back from it, so that every node sees one order.
 *
 * - A channel is here from its first subscriber to its last. It does not linger: coming back costs
 *   one round trip to the broker, and nothing is kept for channels that nobody listens to.
 * - A publisher never hears of a subscriber's trouble.
 */
export class Hub implements BrokerSink, PresenceSink {
  readonly namespaces: Namespaces;
  readonly #broker: Broker;
  readonly #presence: Presence;
  readonly #context: ChannelContext;
  /** Bounded by the sessions of the node and their `maxSubscriptions`. */
  readonly #channels = new Map<string, Channel>();
  /** Publications that were published on this node, and that came from the broker, in count. */
  published = 0;
  received = 0;
  #dropped = 0;
  #conflated = 0;

  constructor(options: HubOptions) {
    this.namespaces = options.namespaces;
    this.#broker = options.broker;
    this.#presence = options.presence;
    this.#context = options;
  }

  /** How many channels have subscribers on this node; that of the nodes themselves is none. */
  get channels(): number {
    let own = 0;
    for (const name of this.#channels.keys()) if (name.startsWith("$")) own++;
    return this.#channels.size - own;
  }

  /** Publications of all channels that were dropped for slow subscribers, in count. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `latest` values of all channels that newer ones replaced before they were sent, in count. */
  get conflated(): number {
    return this.#conflated;
  }

  /** The channels that have subscribers on this node. */
  openChannels(): Iterable<ChannelInfo & { readonly name: string }> {
    return this.#channels.values().filter(({ name }) => !name.startsWith("$"));
  }

  /** A channel that has subscribers on this node. */
  channel(name: string): ChannelInfo | undefined {
    return this.#channels.get(name);
  }

  /** Notes how old a client says that a channel's values were when it got them. */
  noteAge(name: string, ageMs: number): void {
    this.#channels.get(name)?.noteAge(ageMs);
  }

  /** Counts publications that a subscriber has dropped. */
  countDropped(name: string, count: number): void {
    this.#dropped += count;
    const channel = this.#channels.get(name);
    if (channel !== undefined) channel.dropped += count;
  }

  /** Counts values that a subscriber did not send because newer ones had come. */
  countConflated(name: string, count: number): void {
    this.#conflated += count;
    const channel = this.#channels.get(name);
    if (channel !== undefined) channel.conflated += count;
  }

  /** Called once, before anything else. */
  async start(): Promise<void> {
    await this.#broker.start(this);
    await this.#presence.start(this);
  }

  /**
   * Adds a subscriber to a channel: its `begin` is called, or it was removed meanwhile.
   *
   * @throws {CommandError} If there is no such channel, or the broker cannot be reached.
   */
  async subscribe(name: string, subscriber: Subscriber, position?: Position): Promise<void> {
    const channel = this.#channels.get(name) ?? this.#open(name);
    try {
      await channel.join(subscriber, position);
    } finally {
      this.#closeIfEmpty(name, channel);
    }
  }

  /**
   * Changes which keys a subscriber of a `latest` channel gets: {@linkcode LatestChannel.track}.
   * While it is being added its keys alone count.
   */
  track(
    name: string,
    subscriber: Subscriber,
    add: Iterable<string>,
    remove: Iterable<string>,
  ): readonly EncodedMessage[] {
    const channel = this.#channels.get(name);
    if (!(channel instanceof LatestChannel) || !channel.has(subscriber)) return [];
    return channel.track(subscriber, add, remove);
  }

  /** Removes a subscriber, also while it is being added; its methods are not called any more. */
  unsubscribe(name: string, subscriber: Subscriber): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    channel.leave(subscriber);
    this.#closeIfEmpty(name, channel);
  }

  /**
   * Publishes to all subscribers on all nodes; resolves once the broker keeps it.
   *
   * @throws {CommandError} If there is no such channel, its delivery and the publication's key do
   * not fit together, or the broker cannot keep it.
   */
  // Async, so that a publication that does not fit rejects.
  // deno-lint-ignore require-await
  async publish(publication: NewPublication): Promise<Position> {
    const { channel, key, removed } = publication;
    const { delivery, retention } = this.namespaces.of(channel);
    if (delivery === "ordered" && (key !== undefined || removed)) {
      throw bad(`A publication in an ordered channel takes no key: "${key ?? ""}"`);
    }
    if (delivery === "latest" && (key === undefined || key.length > MAX_KEY_LENGTH)) {
      throw bad(
        `A publication in a latest channel takes a key of at most ${MAX_KEY_LENGTH} characters: ` +
          (key === undefined ? "none" : `${key.length}`),
      );
    }
    this.published++;
    return this.#broker.publish(publication, retention);
  }

  /**
   * The oldest `limit` publications after `since`, or the newest `limit` without it; of a `latest`
   * channel the newest publication of each key.
   */
  async history(
    name: string,
    query: { since?: Position; limit: number },
  ): Promise<HistoryPage> {
    const { retention } = this.namespaces.of(name);
    if (!retention.latest) return this.#broker.history(name, retention, query);
    const page = await this.#broker.latest(name, retention);
    const { since, limit } = query;
    const known = since?.epoch === page.position.epoch ? since.offset : 0;
    const values = page.publications.filter(({ offset, removed }) => offset > known && !removed);
    const publications = since === undefined ? lastOf(values, limit) : values.slice(0, limit);
    return { ...page, publications };
  }

  /** Makes a session present in a channel; idempotent. */
  join(name: string, member: Member): Promise<void> {
    return this.#presence.join(name, member);
  }

  /** Leaves a session that goes on at another node to that one: nobody is told. */
  forgetMember(name: string, session: string): void {
    this.#presence.forget(name, session);
  }

  leave(name: string, session: string): Promise<void> {
    return this.#presence.leave(name, session);
  }

  /**
   * Who is in a channel, the longest present first: at most `limit`, and never more than 500.
   *
   * @throws {CommandError} If there is no such channel, or it has no presence.
   */
  async members(name: string, limit = MAX_MEMBERS): Promise<readonly Member[]> {
    this.#requirePresence(name);
    if (limit === 0) return [];
    return await this.#presence.members(name, Math.min(limit, MAX_MEMBERS));
  }

  /** How many are in a channel, over all nodes, without listing them. Errors as of `members()`. */
  async memberCount(name: string): Promise<number> {
    this.#requirePresence(name);
    return await this.#presence.count(name);
  }

  publication(publication: Publication): void {
    this.received++;
    this.#channels.get(publication.channel)?.publication(publication);
  }

  interrupted(name: string, position: Position): void {
    this.#channels.get(name)?.interrupted(position);
  }

  joined(name: string, member: Member): void {
    this.#inform("join", name, member);
  }

  left(name: string, member: Member): void {
    this.#inform("leave", name, member);
  }

  /** Closes the broker and presence too. Subscribers hear nothing more. */
  async close(): Promise<void> {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
    await this.#presence.close();
    await this.#broker.close();
  }

  #requirePresence(name: string): void {
    if (this.namespaces.of(name).presence) return;
    throw new CommandError(ErrorCode.NOT_FOUND, `The channel has no presence: "${name}"`);
  }

  #open(name: string): Channel {
    const namespace = this.namespaces.of(name);
    const channel = namespace.delivery === "latest"
      ? new LatestChannel(name, namespace, this.#context)
      : new OrderedChannel(name, namespace, this.#context);
    this.#channels.set(name, channel);
    return channel;
  }

  #closeIfEmpty(name: string, channel: Channel): void {
    // It may be gone already, and another in its place.
    if (!channel.empty || this.#channels.get(name) !== channel) return;
    this.#channels.delete(name);
    channel.close();
    this.#broker.unsubscribe(name);
  }

  #inform(type: "join" | "leave", channel: string, member: Member): void {
    this.#channels.get(channel)?.inform(new EncodedMessage({ type, channel, member }));
  }
}

/** As long as a channel's name: both travel in every publication. */
const MAX_KEY_LENGTH = 255;

/** One answer must fit into a session's queue: with an `info` of 1 KiB each it still does. */
const MAX_MEMBERS = 500;

function lastOf<T>(values: readonly T[], count: number): readonly T[] {
  return count > 0 ? values.slice(-count) : [];
}

function bad(message: string): CommandError {
  return new CommandError(ErrorCode.BAD_REQUEST, message);
}
