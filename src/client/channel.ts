import type { Position, Publish } from "../protocol/message.ts";
import type { Commands } from "./commands.ts";
import { LazyPublication, NO_DATA, payloadOf, type ReceivedPublication } from "./publication.ts";
import {
  memberOf,
  type PresentMember,
  type SubscribeOptions,
  type Subscription,
} from "./subscription.ts";

/** How to publish. */
export interface PublishOptions {
  /** The key whose newest value this is: required in `latest` channels, forbidden in others. */
  readonly key?: string;
  /**
   * Whether to wait for the server's word that it has taken the publication. Without it, a keyed
   * publication goes the fastest way there is, and only the newest of each key counts. The default
   * is true without a key and for removals, else false.
   */
  readonly acknowledge?: boolean;
}

/** Which part of a channel's history to read. */
export interface HistoryOptions {
  /** Only what came after it, oldest first; without it the newest `limit` publications. */
  readonly since?: Position;
  /**
   * How many publications at most.
   *
   * @default 100
   */
  readonly limit?: number;
}

/** A part of a channel's history. */
export interface ChannelHistory<T = unknown> {
  /** In order of their offsets. */
  readonly publications: readonly ReceivedPublication<T>[];
  /** The newest position of the channel. */
  readonly position: Position;
  /** Whether nothing is missing between `since` and the first publication. */
  readonly complete: boolean;
}

/**
 * A channel of the server, by its name. All calls work before the client is connected: they wait.
 *
 * Promises reject with a `CommandError` where the server refuses or too much waits, with an
 * `OutcomeUnknownError` where the session was lost before the answer, with a `ClosedError` where
 * the client is closed.
 */
export interface Channel<T = unknown> {
  readonly name: string;
  /**
   * Subscribes; publications are handed to the callbacks of `options`.
   *
   * @throws {Error} If the client is subscribed to the channel already, or closed.
   */
  subscribe(options: SubscribeOptions<T>): Subscription;
  /**
   * Publishes a JSON value or bytes. Resolves with the publication's position, or, without
   * acknowledgement, with `undefined` when it has been handed on.
   */
  publish(data: T | Uint8Array, options?: PublishOptions): Promise<Position | undefined>;
  /** Removes a key of a `latest` channel. */
  remove(
    key: string,
    options?: Pick<PublishOptions, "acknowledge">,
  ): Promise<Position | undefined>;
  /** Reads publications that the server still has. */
  history(options?: HistoryOptions): Promise<ChannelHistory<T>>;
  /**
   * Asks who is subscribed; only in namespaces with presence. `onJoin` and `onLeave` may tell of
   * later changes before this resolves: apply those over the answer.
   */
  presence(): Promise<readonly PresentMember[]>;
}

/** What a channel needs of its client. Promises reject and `subscribe` throws if it is closed. */
export interface ChannelHost {
  subscribe(channel: string, options: SubscribeOptions<never>): Subscription;
  publish(publication: Omit<Publish, "id">, acknowledge: boolean): Promise<Position | undefined>;
  readonly request: Commands["request"];
}

/** A channel's name, with what its client can do with it. */
export class ClientChannel<T> implements Channel<T> {
  readonly name: string;
  readonly #host: ChannelHost;

  constructor(name: string, host: ChannelHost) {
    // UTF-8 would make another name of it, and what the server says of that would find nobody.
    if (!name.isWellFormed()) {
      throw new TypeError(`A channel name must be well-formed: ${JSON.stringify(name)}`);
    }
    this.name = name;
    this.#host = host;
  }

  subscribe(options: SubscribeOptions<T>): Subscription {
    return this.#host.subscribe(this.name, options as SubscribeOptions<never>);
  }

  // Async, so that a value that cannot be published rejects as a server that refuses it would.
  async publish(data: T | Uint8Array, options: PublishOptions = {}): Promise<Position | undefined> {
    const { key, acknowledge = key === undefined } = options;
    return await this.#host.publish({
      type: "publish",
      channel: this.name,
      ...(key !== undefined && { key }),
      data: payloadOf(data),
    }, acknowledge);
  }

  remove(
    key: string,
    { acknowledge = true }: Pick<PublishOptions, "acknowledge"> = {},
  ): Promise<Position | undefined> {
    return this.#host.publish(
      { type: "publish", channel: this.name, key, removed: true, data: NO_DATA },
      acknowledge,
    );
  }

  async history({ since, limit = 100 }: HistoryOptions = {}): Promise<ChannelHistory<T>> {
    const { publications, position, complete } = await this.#host.request({
      type: "history",
      channel: this.name,
      ...(since !== undefined && { since }),
      limit,
    });
    return {
      publications: publications.map((publication) => new LazyPublication<T>(publication)),
      position,
      complete,
    };
  }

  async presence(): Promise<readonly PresentMember[]> {
    const { members } = await this.#host.request({ type: "presence", channel: this.name });
    return members.map(memberOf);
  }
}
