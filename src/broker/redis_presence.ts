import type { Clock, TimerId } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import type { Member } from "../protocol/message.ts";
import type { Presence, PresenceSink } from "./presence.ts";
import type { RedisBroker, RedisPresenceListener } from "./redis_broker.ts";
import {
  decodeMember,
  encodeMember,
  NODE_LENGTH,
  type RedisPresenceEvent,
} from "./redis_message.ts";

export interface RedisPresenceOptions {
  /** Started before and closed after. */
  readonly broker: RedisBroker;
  readonly clock: Clock;
  /** Makes the node's name, which is no secret, and spreads what nodes do at once. */
  readonly random: Random;
  /**
   * How long members outlive their node, in milliseconds.
   * @default 60000
   */
  readonly ttlMs?: number;
}

/**
 * Presence of the nodes that share Redis.
 *
 * - What a node's members are is known by the node; Redis follows. A change that failed is tried
 *   again until it is done, so `join` and `leave` do not fail: they resolve after the first try.
 * - Changes of a moment go out together, one message for each channel; who comes and goes within it
 *   is not told of.
 * - A node has a lease in each channel with members of its own and renews it. Whoever reads or
 *   changes a channel takes out the members of nodes that do not, and tells of it.
 */
export class RedisPresence implements Presence, RedisPresenceListener {
  readonly #broker: RedisBroker;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ttlMs: number;
  readonly #node: string;
  /** Bounded by the sessions of the node and their subscriptions. */
  readonly #channels = new Map<string, LocalChannel>();
  readonly #dirty = new Set<string>();
  #sink: PresenceSink | undefined;
  #flushing: Promise<void> | undefined;
  #flushTimer: TimerId | undefined;
  #wake: (() => void) | undefined;
  #renewTimer: TimerId | undefined;
  #closed = false;

  constructor(options: RedisPresenceOptions) {
    this.#broker = options.broker;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#ttlMs = Math.ceil(options.ttlMs ?? 60_000);
    this.#node = nodeName(options.random);
  }

  start(sink: PresenceSink): Promise<void> {
    this.#sink = sink;
    this.#broker.listenToPresence(this);
    this.#renewAfter(this.#ttlMs / 3 * (0.75 + this.#random() / 4));
    return Promise.resolve();
  }

  join(channel: string, member: Member): Promise<void> {
    let local = this.#channels.get(channel);
    if (local === undefined) {
      local = { members: new Map(), changed: new Set(), doubtful: false };
      this.#channels.set(channel, local);
    }
    local.members.set(member.session, member);
    return this.#change(channel, local, member.session);
  }

  leave(channel: string, session: string): Promise<void> {
    const local = this.#channels.get(channel);
    if (!local?.members.delete(session)) return Promise.resolve();
    return this.#change(channel, local, session);
  }

  forget(channel: string, session: string): void {
    const local = this.#channels.get(channel);
    local?.members.delete(session);
    local?.changed.delete(session);
  }

  async members(channel: string, limit: number): Promise<readonly Member[]> {
    const { server, keys, publish } = this.#placeOf(channel);
    const values = await this.#broker.requests.answer(
      server.scripts.slipMembersListBuffer(...keys, publish, limit),
    );
    return values.map(decodeMember);
  }

  count(channel: string): Promise<number> {
    const { server, keys, publish } = this.#placeOf(channel);
    return this.#broker.requests.answer(server.scripts.slipMembersCount(...keys, publish));
  }

  /** Takes the node's members out, if Redis can be reached. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#renewTimer !== undefined) this.#clock.clearTimeout(this.#renewTimer);
    for (const [channel, { members, changed }] of this.#channels) {
      for (const session of members.keys()) changed.add(session);
      members.clear();
      this.#dirty.add(channel);
    }
    this.#wakeUp();
    await this.#flushing;
    await this.#flushDirty();
  }

  events(channel: string, events: readonly RedisPresenceEvent[]): void {
    for (const { joined, member } of events) {
      if (joined) this.#sink?.joined(channel, member);
      else this.#sink?.left(channel, member);
    }
  }

  resumed(): void {
    if (!this.#closed && this.#sink !== undefined) this.#renewAfter(this.#random() * RESUME_MS);
  }

  #change(channel: string, local: LocalChannel, session: string): Promise<void> {
    if (this.#closed) return Promise.resolve();
    local.changed.add(session);
    this.#dirty.add(channel);
    return this.#flushing ??= this.#flush(COALESCE_MS);
  }

  async #flush(afterMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#flushTimer = this.#clock.setTimeout(resolve, afterMs);
    });
    this.#flushTimer = undefined;
    this.#wake = undefined;
    // What changes from here on waits for the next.
    this.#flushing = undefined;
    if (!this.#closed) await this.#flushDirty();
  }

  #wakeUp(): void {
    if (this.#flushTimer !== undefined) this.#clock.clearTimeout(this.#flushTimer);
    this.#wake?.();
  }

  async #flushDirty(): Promise<void> {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    await Promise.all(dirty.map((channel) => this.#write(channel)));
    if (this.#dirty.size > 0 && !this.#closed) {
      // Nobody waits for it.
      this.#flushing ??= this.#flush(RETRY_MS * (0.5 + this.#random()));
    }
  }

  /** Brings Redis to what the node knows of a channel. */
  async #write(channel: string): Promise<void> {
    const local = this.#channels.get(channel);
    if (local === undefined) return;
    const sessions = [...local.changed].slice(0, MOST_AT_ONCE);
    for (const session of sessions) local.changed.delete(session);
    try {
      const known = await this.#send(channel, local, sessions);
      if (local.doubtful) await this.#prune(channel, local);
      // Redis had forgotten the node, or had given up on it.
      if (known === 0) this.#markAll(local, sessions);
    } catch {
      local.doubtful = true;
      for (const session of sessions) local.changed.add(session);
    }
    if (local.changed.size > 0) this.#dirty.add(channel);
    else if (local.members.size === 0) this.#channels.delete(channel);
  }

  #send(channel: string, local: LocalChannel, sessions: readonly string[]): Promise<number> {
    const { server, keys, publish } = this.#placeOf(channel);
    const joins = [];
    const leaves = [];
    for (const session of sessions) {
      const member = local.members.get(session);
      if (member === undefined) leaves.push(session);
      else joins.push(session, encodeMember(member));
    }
    return this.#broker.requests.answer(server.scripts.slipMembersChange(
      ...keys,
      publish,
      this.#node,
      this.#ttlMs,
      joins.length / 2,
      ...joins,
      ...leaves,
    ));
  }

  /** What was given up may have been done all the same, after what came later. */
  async #prune(channel: string, local: LocalChannel): Promise<void> {
    const { server, keys, publish } = this.#placeOf(channel);
    local.doubtful = false;
    await this.#broker.requests.answer(
      server.scripts.slipMembersPrune(...keys, publish, this.#node, ...local.members.keys()),
    );
  }

  #markAll(local: LocalChannel, but: readonly string[]): void {
    const done = new Set(but);
    for (const session of local.members.keys()) {
      if (!done.has(session)) local.changed.add(session);
    }
  }

  #renewAfter(ms: number): void {
    if (this.#renewTimer !== undefined) this.#clock.clearTimeout(this.#renewTimer);
    this.#renewTimer = this.#clock.setTimeout(this.#renewAll, ms);
  }

  readonly #renewAll = (): void => {
    this.#renewTimer = undefined;
    this.#renewSlices().finally(() => {
      if (this.#closed || this.#renewTimer !== undefined) return;
      this.#renewAfter(this.#ttlMs / 3 * (0.75 + this.#random() / 4));
    });
  };

  async #renewSlices(): Promise<void> {
    const channels = [...this.#channels.keys()];
    for (let at = 0; at < channels.length && !this.#closed; at += MOST_AT_ONCE) {
      const slice = channels.slice(at, at + MOST_AT_ONCE);
      await Promise.allSettled(slice.map((channel) => this.#renew(channel)));
    }
    if (this.#dirty.size > 0) this.#flushing ??= this.#flush(0);
    await this.#flushing;
  }

  async #renew(channel: string): Promise<void> {
    const { server, keys, publish } = this.#placeOf(channel);
    const known = await this.#broker.requests.answer(
      server.scripts.slipMembersRenew(...keys, publish, this.#node, this.#ttlMs),
    );
    const local = this.#channels.get(channel);
    if (known === 1 || local === undefined) return;
    this.#markAll(local, []);
    this.#dirty.add(channel);
  }

  #placeOf(channel: string) {
    const { keys, server } = this.#broker.placeOf(channel);
    return {
      server,
      keys: [keys.members, keys.joined, keys.leases, keys.channel],
      publish: server.sharded ? "SPUBLISH" : "PUBLISH",
    };
  }
}

/** What this node knows of a channel. */
interface LocalChannel {
  /** By session. */
  readonly members: Map<string, Member>;
  /** Sessions of which Redis has yet to hear whether they are members. */
  readonly changed: Set<string>;
  /** A change was given up, and nobody knows whether it was done. */
  doubtful: boolean;
}

/** A join is told this late, for all of a burst in one message. */
const COALESCE_MS = 20;
/** How often what failed is tried again. */
const RETRY_MS = 1000;
/** Over how long nodes spread what they do when Redis has come back. */
const RESUME_MS = 1000;
/** With 1 KiB of info each, a message of a megabyte; Redis cuts subscribers off at 32. */
const MOST_AT_ONCE = 1000;

function nodeName(random: Random): string {
  let name = "";
  while (name.length < NODE_LENGTH) name += Math.floor(random() * 36).toString(36);
  return name;
}
