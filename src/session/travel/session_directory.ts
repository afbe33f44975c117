import type { SessionStore } from "../../broker/session_store.ts";
import type { Clock, TimerId } from "../../policy/clock.ts";
import type { Resume } from "../../protocol/message.ts";
import { type Handover, NODE_NAME_LENGTH, type Nodes } from "./nodes.ts";
import { hashSecret } from "../secret.ts";
import { decodeRecord, encodeRecord, type SessionRecord } from "./session_record.ts";

/** A session as the directory sees it. */
export interface ListedSession {
  readonly id: string;
  readonly record: SessionRecord;
}

export interface SessionDirectoryOptions {
  readonly store: SessionStore;
  readonly nodes: Nodes;
  readonly clock: Clock;
  /** How long a session waits for its client, in milliseconds. */
  readonly resumeWindowMs: number;
  /** All sessions of this node, by their name. */
  readonly sessions: ReadonlyMap<string, ListedSession>;
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
 * - A node keeps, under each session's name, what another one would need: who it is, the hashes of its
 *   tickets and what it is subscribed to, in a few hundred bytes. It is written when a client
 *   attaches, subscribes or unsubscribes, a moment later and once for all of it; and renewed twice in
 *   its time. A publication costs nothing.
 * - Another node to which the client comes asks the node that has the session (without a record: the
 *   one that its name begins with) to give it up, with its positions and answers. A node that does
 *   not answer is dead, or cut off: then the record is *taken* from it, by whoever has a ticket, and
 *   by only one node.
 * - A node that was cut off finds at its next write or renewal that a session has moved, and lets it
 *   go without a word to others: it is present at its new node.
 */
export class SessionDirectory {
  readonly #options: SessionDirectoryOptions;
  readonly #ttlMs: number;
  readonly #changed = new Set<ListedSession>();
  #flushTimer: TimerId | undefined;
  #renewTimer: TimerId | undefined;
  #renewing: Iterator<ListedSession> | undefined;
  readonly #parking = new Set<Promise<void>>();
  #announcedMs = 0;
  /** The store fails, and that was told. */
  #failing = false;

  constructor(options: SessionDirectoryOptions) {
    this.#options = options;
    this.#ttlMs = Math.max(MIN_TTL_MS, 2 * options.resumeWindowMs);
    this.#renewTimer = options.clock.setTimeout(this.#renew, STEP_MS);
    this.#announce();
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
    if (!moved) void this.#try(this.#options.store.remove(session.id, this.node));
  }

  /** Whether a node has said lately that it is there. */
  isAlive(node: string): Promise<boolean> {
    return this.#options.store.isThere(node);
  }

  /** Leaves a session that is not here any more to whatever node its client comes to next. */
  park(session: string, record: SessionRecord): void {
    const kept = { node: NOBODY, text: encodeRecord(record) };
    const parking = this.#try(this.#options.store.put(session, this.node, kept, this.#ttlMs))
      .then(() => void this.#parking.delete(parking));
    this.#parking.add(parking);
  }

  /**
   * The session of which a client of another node has the ticket; `undefined` if there is none.
   *
   * @throws {CommandError} With 503 if the store cannot be reached.
   */
  async take({ session, ticket }: Resume): Promise<ArrivingSession | undefined> {
    const { store, nodes } = this.#options;
    const ticketHash = hashSecret(ticket);
    // Without a record: the client was quicker than its node wrote it.
    const node = (await store.get(session))?.node ?? session.slice(0, NODE_NAME_LENGTH);
    if (node === nodes.name) return undefined;
    const asked = node !== NOBODY && await this.isAlive(node);
    const handover = asked ? await nodes.release(node, session, ticketHash) : undefined;
    if (handover === "refused") return undefined;
    if (handover !== undefined) {
      // It is nobody else's now; and what its node may still be writing of it comes too late.
      await store.put(session, node, { node: nodes.name, text: "" }, this.#ttlMs);
      return { record: handover.record, handover };
    }
    const text = await store.take(session, node, nodes.name, ticketHash, this.#ttlMs);
    return text === undefined ? undefined : { record: decodeRecord(text), handover };
  }

  /** Resolves when all that was parked is kept, or cannot be. */
  async close(): Promise<void> {
    const { clock, store } = this.#options;
    if (this.#flushTimer !== undefined) clock.clearTimeout(this.#flushTimer);
    if (this.#renewTimer !== undefined) clock.clearTimeout(this.#renewTimer);
    this.#changed.clear();
    await Promise.all([...this.#parking, this.#try(store.announce(this.node, 0))]);
  }

  readonly #flush = (): void => {
    this.#flushTimer = undefined;
    for (const session of this.#changed) void this.#write(session);
    this.#changed.clear();
  };

  async #write(session: ListedSession): Promise<void> {
    const { store, sessions, clock } = this.#options;
    const kept = { node: this.node, text: encodeRecord(session.record) };
    const written = await this.#try(store.put(session.id, this.node, kept, this.#ttlMs));
    // It has gone meanwhile, and may have come back as another.
    if (sessions.get(session.id) !== session || written === true) return;
    if (written === false) return this.#options.onMoved(session.id);
    this.#changed.add(session);
    this.#flushTimer ??= clock.setTimeout(this.#flush, STEP_MS);
  }

  /** Renews some sessions each second, so that each one's turn comes twice in its time. */
  readonly #renew = (): void => {
    const { clock, sessions } = this.#options;
    this.#renewTimer = clock.setTimeout(this.#renew, STEP_MS);
    if (clock.now() - this.#announcedMs >= THERE_TTL_MS / 3) this.#announce();
    let left = Math.ceil(sessions.size * 2 * STEP_MS / this.#ttlMs);
    while (left-- > 0) {
      this.#renewing ??= sessions.values();
      const { value, done } = this.#renewing.next();
      if (done) return void (this.#renewing = undefined);
      void this.#renewOne(value);
    }
  };

  async #renewOne(session: ListedSession): Promise<void> {
    const { store, sessions } = this.#options;
    const kept = await this.#try(store.renew(session.id, this.node, this.#ttlMs));
    if (sessions.get(session.id) !== session) return;
    if (kept === "moved") this.#options.onMoved(session.id);
    else if (kept === "lost") this.changed(session);
  }

  #announce(): void {
    this.#announcedMs = this.#options.clock.now();
    void this.#try(this.#options.store.announce(this.node, THERE_TTL_MS));
  }

  /** What fails is told of once, until it works again. */
  async #try<Result>(asking: Promise<Result>): Promise<Result | undefined> {
    try {
      const result = await asking;
      this.#failing = false;
      return result;
    } catch (error) {
      if (!this.#failing) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.onError(new Error(`Sessions cannot be kept for other nodes: ${reason}`));
      }
      this.#failing = true;
      return undefined;
    }
  }
}

/** Has a session that waits for its client, whatever node that comes to. */
const NOBODY = "";

/** What a client does when it attaches is one write. */
const COALESCE_MS = 5;

/** How often some sessions are renewed, and what could not be written is tried again. */
const STEP_MS = 1000;

/** Whoever comes back to a dead node's session within it waits for that node in vain, 1.5 s. */
const THERE_TTL_MS = 30_000;

/** Two renewals in it may fail. */
const MIN_TTL_MS = 120_000;
