import type { SessionStore } from "../broker/session_store.ts";
import type { Clock, TimerId } from "../policy/clock.ts";
import type { Resume } from "../protocol/message.ts";
import { type Handover, NODE_NAME_LENGTH, type Nodes } from "./nodes.ts";
import { hashSecret } from "./secret.ts";
import { decodeRecord, encodeRecord, type SessionRecord } from "./session_record.ts";

/** A session as the directory sees it. */
export interface ListedSession {
  readonly id: string;
  /** The hashes of the tickets that continue it, the newest last. */
  readonly ticketHashes: readonly string[];
  record(node: string): SessionRecord;
}

export interface SessionDirectoryOptions {
  readonly store: SessionStore;
  readonly nodes: Nodes;
  readonly clock: Clock;
  /** How long a session waits for its client, in milliseconds. */
  readonly resumeWindowMs: number;
  /** All sessions of this node. */
  readonly sessions: () => Iterable<ListedSession>;
  /** Called for a session that has gone on at another node while this one was cut off. */
  readonly onMoved: (id: string) => void;
  readonly onError: (error: unknown) => void;
}

/** A session that comes from another node. */
export interface ArrivingSession {
  readonly record: SessionRecord;
  /** What its node has handed over; `undefined` if that node is gone. */
  readonly handover: Handover | undefined;
}

/**
 * Lets a session go on at any node that shares Redis.
 *
 * - A node keeps, under each session's name and the hash of its ticket, what another one would need:
 *   who it is and what it is subscribed to, in a few hundred bytes. It is written when a client
 *   attaches, subscribes or unsubscribes, a moment later and once for all of it; and renewed twice in
 *   its time. A publication costs nothing.
 * - Another node *takes* that record: whoever has the ticket can, and only one node does. It then
 *   asks the node that has the session (without a record: the one that its name begins with) to give
 *   it up, with its positions and answers. A node that does not answer is dead, or cut off.
 * - A node that was cut off finds at the next renewal that a session has moved, and lets it go
 *   without a word to others: it is present at its new node.
 */
export class SessionDirectory {
  readonly #options: SessionDirectoryOptions;
  readonly #ttlMs: number;
  /** The names under which each session is kept. */
  readonly #names = new Map<string, readonly string[]>();
  readonly #changed = new Set<ListedSession>();
  /** Sessions of which the store is asked whose they are. */
  readonly #judged = new Set<ListedSession>();
  #flushTimer: TimerId | undefined;
  #renewTimer: TimerId | undefined;
  #renewing: Iterator<ListedSession> | undefined;
  readonly #parking: Promise<void>[] = [];
  #aliveMs = 0;
  /** The store fails, and that was told. */
  #failing = false;
  /** The store was out of reach: sessions may have moved. */
  #doubtful = false;
  /** A whole round of renewals has begun since. */
  #renewedAll = false;

  constructor(options: SessionDirectoryOptions) {
    this.#options = options;
    this.#ttlMs = Math.max(MIN_TTL_MS, 2 * options.resumeWindowMs);
    this.#renewTimer = options.clock.setTimeout(this.#renew, RENEW_STEP_MS);
    this.#sayAlive();
  }

  /** The name of the node, for what is made on it. */
  get node(): string {
    return this.#options.nodes.name;
  }

  /** Something of a session has changed that another node would need. */
  changed(session: ListedSession): void {
    this.#changed.add(session);
    this.#flushTimer ??= this.#options.clock.setTimeout(this.#flush, COALESCE_MS);
  }

  /** A session is not here any more: it has ended, or, `moved`, is another node's. */
  gone(session: ListedSession, moved: boolean): void {
    this.#changed.delete(session);
    this.#judged.delete(session);
    const names = this.#names.get(session.id) ?? [];
    this.#names.delete(session.id);
    if (!moved) { for (const name of names) this.#do(this.#options.store.remove(name)); }
  }

  /** Whether a node has said lately that it is there. */
  async isAlive(node: string): Promise<boolean> {
    return await this.#options.store.get(aliveName(node)) !== undefined;
  }

  /** Leaves a session that was taken to whatever node its client comes to next. */
  async putBack({ session, ticket }: Resume, record: SessionRecord): Promise<void> {
    const text = encodeRecord({ ...record, node: NOBODY });
    await this.#options.store.put(nameOf(session, hashSecret(ticket)), text, this.#ttlMs);
  }

  /** Leaves a session to whatever node its client comes to: this one ends. */
  park(session: ListedSession, handover: Handover): void {
    const text = encodeRecord({ ...handover.record, node: NOBODY });
    for (const hash of session.ticketHashes) {
      this.#parking.push(this.#options.store.put(nameOf(session.id, hash), text, this.#ttlMs));
    }
  }

  /** The session of which a client of another node has the ticket; `undefined` if there is none. */
  async take({ session, ticket }: Resume): Promise<ArrivingSession | undefined> {
    const { store, nodes } = this.#options;
    const ticketHash = hashSecret(ticket);
    const text = await store.take(nameOf(session, ticketHash));
    const kept = text === undefined ? undefined : decodeRecord(text);
    // Without a record: the client was quicker than its node wrote it.
    const node = kept?.node ?? await store.get(ownerOf(session)) ??
      session.slice(0, NODE_NAME_LENGTH);
    if (node === nodes.name) return undefined;
    const handover = await this.isAlive(node)
      ? await nodes.release(node, session, ticketHash)
      : undefined;
    const record = handover === "refused" ? undefined : handover?.record ?? kept;
    if (record === undefined) return undefined;
    for (const hash of record.ticketHashes) {
      if (hash !== ticketHash) this.#do(store.remove(nameOf(session, hash)));
    }
    // By this the node that had it can see that it has it no more, if it is cut off from the others.
    await store.put(ownerOf(session), nodes.name, this.#ttlMs);
    return { record, handover: handover as Handover | undefined };
  }

  /** Resolves when all that was parked is kept, or cannot be. */
  async close(): Promise<void> {
    const { clock } = this.#options;
    if (this.#flushTimer !== undefined) clock.clearTimeout(this.#flushTimer);
    if (this.#renewTimer !== undefined) clock.clearTimeout(this.#renewTimer);
    this.#changed.clear();
    this.#parking.push(this.#options.store.remove(aliveName(this.node)));
    await Promise.allSettled(this.#parking);
  }

  readonly #flush = (): void => {
    this.#flushTimer = undefined;
    for (const session of this.#changed) {
      if (this.#doubtful) this.#do(this.#judge(session));
      else this.#write(session);
    }
    this.#changed.clear();
  };

  /** Writes a session that may have moved while the store was out of reach, if it has not. */
  async #judge(session: ListedSession): Promise<void> {
    this.#judged.add(session);
    const owner = await this.#options.store.get(ownerOf(session.id));
    // It has gone meanwhile.
    if (!this.#judged.delete(session)) return;
    if (owner !== undefined && owner !== this.node) this.#options.onMoved(session.id);
    else this.#write(session);
  }

  #sayAlive(): void {
    this.#aliveMs = this.#options.clock.now();
    this.#do(this.#options.store.put(aliveName(this.node), "", ALIVE_TTL_MS));
  }

  #write(session: ListedSession): void {
    const { store } = this.#options;
    const text = encodeRecord(session.record(this.node));
    const names = session.ticketHashes.map((hash) => nameOf(session.id, hash));
    for (const name of names) this.#do(store.put(name, text, this.#ttlMs));
    for (const name of this.#names.get(session.id) ?? []) {
      if (!names.includes(name)) this.#do(store.remove(name));
    }
    this.#names.set(session.id, names);
  }

  /** Renews some sessions each second, so that each one's turn comes twice in its time. */
  readonly #renew = (): void => {
    const { clock, sessions } = this.#options;
    this.#renewTimer = clock.setTimeout(this.#renew, RENEW_STEP_MS);
    if (clock.now() - this.#aliveMs >= ALIVE_TTL_MS / 3) this.#sayAlive();
    // Of nothing that is kept nothing can have moved.
    if (this.#names.size === 0) this.#doubtful = false;
    let left = Math.ceil(this.#names.size * 2 * RENEW_STEP_MS / this.#ttlMs);
    while (left-- > 0) {
      this.#renewing ??= sessions()[Symbol.iterator]();
      const { value, done } = this.#renewing.next();
      if (done) {
        this.#renewing = undefined;
        // Each session has been looked at since.
        if (this.#renewedAll) this.#doubtful = false;
        this.#renewedAll = true;
        return;
      }
      this.#do(this.#renewOne(value));
    }
  };

  async #renewOne(session: ListedSession): Promise<void> {
    const { store } = this.#options;
    const names = this.#names.get(session.id);
    if (names === undefined) return;
    const kept = await Promise.all(names.map((name) => store.touch(name, this.#ttlMs)));
    if (kept.at(-1) !== false || this.#names.get(session.id) !== names) return;
    // It has moved, or Redis has lost its data.
    await this.#judge(session);
  }

  /** What fails is done at the next change, or renewal; it is told of once, until it works again. */
  #do(done: Promise<void>): void {
    done.then(() => this.#failing = false, (error) => {
      this.#doubtful = true;
      this.#renewedAll = false;
      if (this.#failing) return;
      this.#failing = true;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.onError(new Error(`Sessions cannot be kept for other nodes: ${reason}`));
    });
  }
}

/** A public name and the hash of a secret: to know the first is no way to find the record. */
function nameOf(session: string, ticketHash: string): string {
  return `${session} ${ticketHash}`;
}

function aliveName(node: string): string {
  return `node ${node}`;
}

function ownerOf(session: string): string {
  return `${session} owner`;
}

/** Has a session whose node has ended in good order. */
const NOBODY = "";

/** What a client does when it attaches is one write. */
const COALESCE_MS = 5;

const RENEW_STEP_MS = 1000;

/** Whoever comes back to a dead node's session within it waits for that node in vain, 1.5 s. */
const ALIVE_TTL_MS = 30_000;

/** Two renewals in it may fail. */
const MIN_TTL_MS = 120_000;
