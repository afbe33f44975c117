import type { RedisOptions } from "../options.ts";
import type { Clock, TimerId } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import type { Position, Publication } from "../protocol/message.ts";
import type { Broker, BrokerSink, HistoryPage, NewPublication, Retention } from "./broker.ts";
import { ChannelKeys } from "./redis_keys.ts";
import { decodePublication, EPOCH_LENGTH, type RedisPresenceEvent } from "./redis_message.ts";
import { RedisPublisher } from "./redis_publisher.ts";
import { RedisRequests } from "./redis_requests.ts";
import type { PageReply } from "./redis_scripts.ts";
import type { RedisServer } from "./redis_server.ts";
import { openServers, shardOf } from "./redis_shards.ts";
import { type RedisSubscription, RedisSubscriptions } from "./redis_subscriptions.ts";

export interface RedisBrokerOptions {
  readonly redis: RedisOptions;
  readonly clock: Clock;
  /** Makes epochs, which are names and no secrets, and spreads what nodes do at once. */
  readonly random: Random;
  /** Is told once of each outage, and of what no caller can be told. */
  readonly onError: (error: unknown) => void;
}

/** What an operator wants to know of Redis. */
export interface RedisState {
  /** Whether all shards can be reached. */
  readonly connected: boolean;
  readonly shards: readonly RedisShardState[];
  /** The longest of the shards' delays, in milliseconds; `undefined` before the first answer. */
  readonly lagMs: number | undefined;
  /** What waits for Redis, in bytes. */
  readonly pendingBytes: number;
}

export interface RedisShardState {
  readonly name: string;
  readonly connected: boolean;
  /** How long the last PING took, or the one under way has been taking, in milliseconds. */
  readonly lagMs: number | undefined;
  /** Channels that the node listens to. */
  readonly channels: number;
}

/** Is told of presence, which is heard of on the sockets of the channels. */
export interface RedisPresenceListener {
  /** Joins and leaves in a channel that this node listens to. */
  events(channel: string, events: readonly RedisPresenceEvent[]): void;
  /** Redis has come back, perhaps without what it had. */
  resumed(): void;
}

/** Where the presence of a channel lies. */
export interface RedisPlace {
  readonly keys: ChannelKeys;
  readonly server: RedisServer;
}

/**
 * The broker of a node that shares Redis with others. Publications go by scripts; what is missed is found by its offset. How it holds is in `README.md`.
 */
export class RedisBroker implements Broker {
  readonly requests: RedisRequests;
  readonly #publisher: RedisPublisher;
  readonly #options: RedisBrokerOptions;
  readonly #prefix: string;
  readonly #checkIntervalMs: number;
  readonly #servers: readonly RedisServer[];
  readonly #names: readonly string[];
  readonly #shards: Shard[] = [];
  #presence: RedisPresenceListener | undefined;
  #timer: TimerId | undefined;
  #checkDueMs = 0;
  #closed = false;

  /** @throws {TypeError} If the options name no Redis. */
  constructor(options: RedisBrokerOptions) {
    const { redis, clock, random, onError } = options;
    const timeoutMs = redis.timeoutMs ?? 5000;
    const maxPendingBytes = redis.maxPendingBytes ?? 2 ** 26;
    this.#options = options;
    this.#prefix = redis.prefix ?? "slipstream";
    this.#checkIntervalMs = redis.checkIntervalMs ?? 30_000;
    this.#servers = openServers(redis, { clock, random, timeoutMs, onError });
    this.#names = this.#servers.map(({ name }) => name);
    this.requests = new RedisRequests({ clock, timeoutMs, maxPendingBytes });
    this.#publisher = new RedisPublisher(this.requests);
  }

  /** @throws {Error} If a server cannot be reached in time, naming it. */
  async start(sink: BrokerSink): Promise<void> {
    const { clock, onError } = this.#options;
    const connecting = this.#servers.map((server) => {
      const subscriptions = new RedisSubscriptions(server, {
        sink,
        presence: (channel, events) => this.#presence?.events(channel, events),
        resumed: () => this.#presence?.resumed(),
        requests: this.requests,
        check: (subscription) => this.#check(server, subscription),
        onError,
      });
      this.#shards.push({ server, subscriptions, lagMs: undefined, pingedMs: undefined });
      return server.connect(subscriptions);
    });
    try {
      const outcomes = await this.requests.answer(Promise.allSettled(connecting));
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#checkDueMs = clock.now() + this.#checkAfterMs();
    this.#beat();
  }

  subscribe(channel: string, retention: Retention): Promise<void> {
    const keys = this.#keys(channel);
    return this.#shardOf(channel).subscriptions.subscribe({ channel, keys, retention });
  }

  unsubscribe(channel: string): void {
    this.#shards[this.#indexOf(channel)]?.subscriptions.unsubscribe(this.#keys(channel).channel);
  }

  // Async, so that what is too much rejects.
  async publish(publication: NewPublication, retention: Retention): Promise<Position> {
    const { channel } = publication;
    const keys = this.#keys(channel);
    const { server } = this.#shardOf(channel);
    const opening = () => this.#opening(server, keys, retention);
    return await this.#publisher.publish({ server, keys, opening }, publication, retention);
  }

  async history(
    channel: string,
    retention: Retention,
    { since, limit }: { since?: Position; limit: number },
  ): Promise<HistoryPage> {
    const { server, page } = await this.#read(
      channel,
      (server, keys) =>
        server.scripts.slipHistoryBuffer(
          keys.meta,
          keys.history,
          ...this.#opening(server, keys, retention),
          since?.epoch ?? "",
          since?.offset ?? 0,
          // One at least, to see what is the oldest that is left.
          Math.max(1, limit),
          retention.historySize,
          Math.ceil(retention.historyTtlMs),
        ),
    );
    const { position, publications } = page;
    this.#begin(server, channel, position);
    if (since === undefined) publications.reverse();
    const next = publications[0]?.offset ?? position.offset + 1;
    return {
      publications: publications.slice(0, limit),
      position,
      complete: since === undefined ||
        since.epoch === position.epoch && since.offset + 1 === next,
    };
  }

  async latest(channel: string, retention: Retention): Promise<HistoryPage> {
    const { server, page } = await this.#read(
      channel,
      (server, keys) =>
        server.scripts.slipLatestBuffer(
          keys.meta,
          keys.latest,
          keys.order,
          ...this.#opening(server, keys, retention),
          Math.ceil(retention.keyTtlMs),
        ),
    );
    this.#begin(server, channel, page.position);
    page.publications.sort((one, other) => one.offset - other.offset);
    return { ...page, complete: true };
  }

  /** Resolves once everything published before has been heard, or told as interrupted. */
  async checked(): Promise<void> {
    await Promise.all(this.#shards.map(({ subscriptions }) => subscriptions.checkAll()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    for (const { subscriptions } of this.#shards) subscriptions.close();
    for (const server of this.#servers) server.close();
    this.requests.close();
    await Promise.resolve();
  }

  /** How Redis is, as of now. */
  state(): RedisState {
    const nowMs = this.#options.clock.now();
    const shards = this.#shards.map(({ server, subscriptions, lagMs, pingedMs }) => ({
      name: server.name,
      connected: server.connected,
      lagMs: pingedMs === undefined ? lagMs : Math.max(lagMs ?? 0, nowMs - pingedMs),
      channels: subscriptions.size,
    }));
    const lags = shards.flatMap(({ lagMs }) => lagMs ?? []);
    return {
      connected: shards.length > 0 && shards.every(({ connected }) => connected),
      shards,
      lagMs: lags.length > 0 ? Math.max(...lags) : undefined,
      pendingBytes: this.requests.pendingBytes,
    };
  }

  /** Where a channel's presence lies. */
  placeOf(channel: string): RedisPlace {
    return { keys: this.#keys(channel), server: this.#servers[this.#indexOf(channel)]! };
  }

  /** Tells of presence from now on. */
  listenToPresence(listener: RedisPresenceListener): void {
    this.#presence = listener;
  }

  /** What every script that reads or writes positions begins with. */
  #opening(server: RedisServer, keys: ChannelKeys, retention: Retention): (string | number)[] {
    const epoch = Math.floor(this.#options.random() * 36 ** EPOCH_LENGTH).toString(36);
    const keptMs = retention.latest ? retention.keyTtlMs : retention.historyTtlMs;
    return [
      server.runOf(keys.channel),
      epoch.padStart(EPOCH_LENGTH, "0"),
      // Nodes that listen to the channel renew this at every check.
      Math.ceil(keptMs + Math.max(META_SLACK_MS, 4 * this.#checkIntervalMs)),
    ];
  }

  async #read(
    channel: string,
    send: (server: RedisServer, keys: ChannelKeys) => Promise<PageReply>,
  ): Promise<{ server: RedisServer; page: { position: Position; publications: Publication[] } }> {
    const { server } = this.#shardOf(channel);
    const keys = this.#keys(channel);
    this.requests.admit(0);
    const [offset, epoch, run, messages] = await this.requests.answer(send(server, keys));
    server.learnRun(keys.channel, run.toString());
    const position = { epoch: epoch.toString(), offset };
    const publications = messages.map((message) => decodePublication(channel, message).publication);
    return { server, page: { position, publications } };
  }

  async #check(server: RedisServer, { keys, retention }: RedisSubscription): Promise<Position> {
    const [offset, epoch, run] = await this.requests.answer(server.scripts.slipCheck(
      keys.meta,
      retention.latest ? keys.latest : keys.history,
      keys.order,
      ...this.#opening(server, keys, retention),
    ));
    server.learnRun(keys.channel, run);
    return { epoch, offset };
  }

  #begin(server: RedisServer, channel: string, position: Position): void {
    const shard = this.#shards[this.#servers.indexOf(server)];
    shard?.subscriptions.begin(this.#keys(channel).channel, position);
  }

  /** Sees to it that sockets are alive, and from time to time that nothing was missed. */
  readonly #beat = (): void => {
    if (this.#closed) return;
    const { clock, onError } = this.#options;
    const nowMs = clock.now();
    const checks = nowMs >= this.#checkDueMs;
    if (checks) this.#checkDueMs = nowMs + this.#checkAfterMs();
    for (const shard of this.#shards) {
      if (shard.pingedMs === undefined) this.#ping(shard).catch(onError);
      shard.subscriptions.checkUnsure().catch(onError);
      if (checks && !shard.checking) {
        shard.checking = true;
        shard.subscriptions.checkAll().catch(onError).finally(() => shard.checking = false);
      }
    }
    const beatMs = Math.min(BEAT_MS, this.#checkIntervalMs);
    this.#timer = clock.setTimeout(this.#beat, beatMs * (0.75 + this.#options.random() / 2));
  };

  async #ping(shard: Shard): Promise<void> {
    const { clock } = this.#options;
    shard.pingedMs = clock.now();
    // Those for pub/sub are quiet most of the time: only an answer that is due shows one dead.
    for (const socket of shard.server.sockets()) {
      if (socket.status === "ready") socket.ping().catch(() => {});
    }
    try {
      await this.requests.answer(shard.server.ping());
      shard.lagMs = clock.now() - shard.pingedMs;
    } catch {
      // The state says that it is not connected, or how long it has been waiting.
    } finally {
      shard.pingedMs = undefined;
    }
  }

  #checkAfterMs(): number {
    return this.#checkIntervalMs * (0.75 + this.#options.random() / 2);
  }

  #keys(channel: string): ChannelKeys {
    return new ChannelKeys(this.#prefix, channel);
  }

  #indexOf(channel: string): number {
    return shardOf(this.#names, channel);
  }

  #shardOf(channel: string): Shard {
    return this.#shards[this.#indexOf(channel)]!;
  }
}

interface Shard {
  readonly server: RedisServer;
  readonly subscriptions: RedisSubscriptions;
  lagMs: number | undefined;
  /** When the PING under way was sent. */
  pingedMs: number | undefined;
  checking?: boolean;
}

/** A socket that died without a word is found within this and the timeout. */
const BEAT_MS = 5000;

/** A channel's place outlives what it keeps, for a node that is cut off from Redis meanwhile. */
const META_SLACK_MS = 600_000;
