import type { Member } from "../protocol/message.ts";
import type { Presence, PresenceSink } from "./presence.ts";

/** The members of all channels, of one {@linkcode MemoryPresence} or of several. */
export class MemoryPresenceStore {
  /** By channel, then by session, in order of joining. */
  readonly channels: Map<string, Map<string, Joined>> = new Map();
  readonly sinks: Set<PresenceSink> = new Set();
}

interface Joined {
  readonly member: Member;
  readonly owner: MemoryPresence;
}

/**
 * The presence of a node that stands alone. What it keeps is bounded by the sessions of the node
 * and their subscriptions.
 */
export class MemoryPresence implements Presence {
  readonly #store: MemoryPresenceStore;
  #sink: PresenceSink | undefined;

  constructor(store: MemoryPresenceStore = new MemoryPresenceStore()) {
    this.#store = store;
  }

  start(sink: PresenceSink): Promise<void> {
    this.#sink = sink;
    this.#store.sinks.add(sink);
    return Promise.resolve();
  }

  join(channel: string, member: Member): Promise<void> {
    let members = this.#store.channels.get(channel);
    if (members === undefined) this.#store.channels.set(channel, members = new Map());
    const known = members.has(member.session);
    members.set(member.session, { member, owner: this });
    if (!known) { for (const sink of this.#store.sinks) sink.joined(channel, member); }
    return Promise.resolve();
  }

  forget(channel: string, session: string): void {
    const members = this.#store.channels.get(channel);
    if (members?.get(session)?.owner !== this) return;
    members.delete(session);
    if (members.size === 0) this.#store.channels.delete(channel);
  }

  leave(channel: string, session: string): Promise<void> {
    const members = this.#store.channels.get(channel);
    const left = members?.get(session);
    if (members === undefined || left === undefined) return Promise.resolve();
    members.delete(session);
    if (members.size === 0) this.#store.channels.delete(channel);
    for (const sink of this.#store.sinks) sink.left(channel, left.member);
    return Promise.resolve();
  }

  members(channel: string, limit: number): Promise<readonly Member[]> {
    const page: Member[] = [];
    for (const { member } of this.#store.channels.get(channel)?.values() ?? []) {
      if (page.length >= limit) break;
      page.push(member);
    }
    return Promise.resolve(page);
  }

  count(channel: string): Promise<number> {
    return Promise.resolve(this.#store.channels.get(channel)?.size ?? 0);
  }

  async close(): Promise<void> {
    if (this.#sink !== undefined) this.#store.sinks.delete(this.#sink);
    for (const [channel, members] of this.#store.channels) {
      for (const [session, { owner }] of members) {
        if (owner === this) await this.leave(channel, session);
      }
    }
  }
}
