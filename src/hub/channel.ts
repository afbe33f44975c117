import type { Broker, HistoryPage } from "../broker/broker.ts";
import type { Clock, TimerId } from "../policy/clock.ts";
import { Backoff } from "../policy/jitter.ts";
import type { Random } from "../policy/random.ts";
import { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Position, Publication } from "../protocol/message.ts";
import { Ages } from "./ages.ts";
import type { Namespace } from "./namespaces.ts";
import type { Subscriber } from "./subscriber.ts";

/** What channels need of their node. */
export interface ChannelContext {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  /** Is told what no caller can be told. */
  readonly onError: (error: unknown) => void;
}

/**
 * One channel that has subscribers on this node: takes publications from the broker, each encoded
 * once, and delivers them in offset order.
 *
 * - While it opens, and while it heals, live publications are held (bounded) and history is read;
 *   then both go out in one order.
 * - A hole in the offsets, or the broker's word that something was missed, starts the healing.
 * - A subscriber that leaves while it is joining is forgotten: its `begin` is never called.
 */
export abstract class Channel {
  readonly name: string;
  protected readonly namespace: Namespace;
  protected readonly context: ChannelContext;
  /** The position up to which everything was delivered. */
  protected epoch = "";
  protected offset = 0;
  protected closed = false;
  /** Publications that subscribers did not get because they read too slowly, in count. */
  dropped = 0;
  /** `latest` values that newer ones replaced before they were sent, in count. */
  conflated = 0;
  /** Those that want every publication. */
  readonly #subscribers: Subscriber[] = [];
  /** Those that want some keys only; made with the first. */
  #choosy: Set<Subscriber> | undefined;
  readonly #joining = new Set<Subscriber>();
  #ages: Ages | undefined;
  readonly #opened: Promise<void>;
  /** Publications that wait for history; `undefined` while the channel is live. */
  #held: Publication[] | undefined = [];
  /** Something was missed while history was read already: it has to be read again. */
  #readAgain = false;
  #retryTimer: TimerId | undefined;
  #retry: (() => void) | undefined;

  constructor(name: string, namespace: Namespace, context: ChannelContext) {
    this.name = name;
    this.namespace = namespace;
    this.context = context;
    this.#opened = this.#open();
    // Whoever joins awaits it too, and tells its client.
    this.#opened.catch(() => {});
  }

  /** How old values were when clients got them, in milliseconds; `undefined` before a report. */
  get ageMs(): { readonly p50: number; readonly p99: number } | undefined {
    const ages = this.#ages;
    return ages && { p50: ages.quantile(0.5), p99: ages.quantile(0.99) };
  }

  /** Takes a client's report. */
  noteAge(ageMs: number): void {
    (this.#ages ??= new Ages()).add(ageMs);
  }

  /** How many are subscribed on this node. */
  get subscribers(): number {
    return this.#subscribers.length + (this.#choosy?.size ?? 0);
  }

  /** Whether nobody is subscribed or about to be. */
  get empty(): boolean {
    return this.subscribers === 0 && this.#joining.size === 0;
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.offset };
  }

  /**
   * Adds a subscriber, after its `begin`. Resolves without either if it left meanwhile.
   *
   * @throws {CommandError} With 503 if the broker cannot be reached.
   */
  async join(subscriber: Subscriber, position: Position | undefined): Promise<void> {
    this.#joining.add(subscriber);
    try {
      await this.#opened;
      if (this.isJoining(subscriber)) await this.start(subscriber, position);
    } finally {
      this.#joining.delete(subscriber);
    }
  }

  /** Whether it is added, and was not on its way only. */
  has(subscriber: Subscriber): boolean {
    return this.#choosy?.has(subscriber) === true ||
      this.#subscribers[subscriber.slot] === subscriber;
  }

  /** Removes a subscriber, wherever it is on its way. */
  leave(subscriber: Subscriber): void {
    this.#joining.delete(subscriber);
    if (this.#choosy?.delete(subscriber)) return this.left(subscriber);
    const { slot } = subscriber;
    if (this.#subscribers[slot] !== subscriber) return;
    const last = this.#subscribers.pop()!;
    if (last !== subscriber) {
      this.#subscribers[slot] = last;
      last.slot = slot;
    }
    subscriber.slot = -1;
  }

  /** Takes a live publication from the broker. */
  publication(publication: Publication): void {
    if (this.closed) return;
    if (this.#held !== undefined) return this.#hold(publication);
    if (publication.offset <= this.offset) return;
    if (publication.offset === this.offset + 1) return this.accept(publication);
    this.#heal([publication]);
  }

  /** Takes the broker's word that publications up to `position` may have been missed. */
  interrupted(position: Position): void {
    const sameHistory = position.epoch === this.epoch;
    if (this.#held !== undefined) {
      this.#readAgain = true;
      // What is held belongs to a history that is gone.
      if (!sameHistory) this.#held.length = 0;
    } else if (!sameHistory || position.offset > this.offset) {
      this.#heal([]);
    }
  }

  /** Tells all subscribers of a join or leave. */
  inform(message: EncodedMessage): void {
    for (const subscriber of this.#choosy ?? []) {
      try {
        subscriber.inform(message);
      } catch (error) {
        this.context.onError(error);
      }
    }
    for (let at = this.#subscribers.length - 1; at >= 0; at--) {
      try {
        this.#subscribers[at]?.inform(message);
      } catch (error) {
        this.context.onError(error);
      }
    }
  }

  /** Ends timers and what is under way; the channel is not used afterwards. */
  close(): void {
    this.closed = true;
    if (this.#retryTimer !== undefined) this.context.clock.clearTimeout(this.#retryTimer);
    this.#retry?.();
  }

  /** Reads what is kept after `since`, or, without it, what a new subscriber starts from. */
  protected abstract read(since?: Position): Promise<HistoryPage>;
  /** Delivers what was read after `position`; what is not there any more is said as a gap. */
  protected abstract absorb(page: HistoryPage, firstHeld: number | undefined): void;
  /** Delivers a publication that is next in order. */
  protected abstract accept(publication: Publication): void;
  /** Begins a subscriber and adds it, unless it leaves meanwhile. */
  protected abstract start(subscriber: Subscriber, position?: Position): Promise<void> | void;

  protected isJoining(subscriber: Subscriber): boolean {
    return this.#joining.has(subscriber);
  }

  /** Adds a subscriber; before its `begin`, in which it may find itself too slow and leave. */
  protected add(subscriber: Subscriber): void {
    this.#joining.delete(subscriber);
    if (subscriber.keys === undefined) subscriber.slot = this.#subscribers.push(subscriber) - 1;
    else (this.#choosy ??= new Set()).add(subscriber);
  }

  /** A subscriber that wants some keys only has left. */
  protected left(_subscriber: Subscriber): void {}

  /**
   * Hands a message to every subscriber that wants all. Backwards, because a subscriber that is too slow leaves
   * on the spot, and the last one takes its place: it has been served already.
   */
  protected deliver(message: EncodedMessage, publication: Publication, settled: boolean): void {
    const subscribers = this.#subscribers;
    for (let at = subscribers.length - 1; at >= 0; at--) {
      try {
        subscribers[at]?.deliver(message, publication, settled);
      } catch (error) {
        this.context.onError(error);
      }
    }
  }

  /** Says that everything up to `position` is missing, and goes on after it. */
  protected gap(position: Position): void {
    this.epoch = position.epoch;
    this.offset = position.offset;
    for (const subscriber of this.#choosy ?? []) {
      try {
        subscriber.gap(position);
      } catch (error) {
        this.context.onError(error);
      }
    }
    for (let at = this.#subscribers.length - 1; at >= 0; at--) {
      try {
        this.#subscribers[at]?.gap(position);
      } catch (error) {
        this.context.onError(error);
      }
    }
  }

  async #open(): Promise<void> {
    await this.context.broker.subscribe(this.name, this.namespace.retention);
    // After subscribing: what is published from now on is either in the page or held.
    const page = await this.read();
    if (this.closed) return;
    this.epoch = page.position.epoch;
    this.absorb(page, undefined);
    this.offset = page.position.offset;
    this.#release();
  }

  /** Holds a publication. At the limit the oldest goes: its hole is healed from history. */
  #hold(publication: Publication): void {
    const held = this.#held!;
    if (held.length >= MAX_HELD) held.shift();
    held.push(publication);
  }

  /** Goes live with what was held; a hole in it holds the rest again. */
  #release(): void {
    const held = this.#held!;
    if (this.#readAgain) return this.#heal(held);
    this.#held = undefined;
    for (const publication of held) this.publication(publication);
  }

  #heal(held: Publication[]): void {
    this.#held = held;
    this.#readAgain = false;
    this.#readAndRelease().catch(this.context.onError);
  }

  async #readAndRelease(): Promise<void> {
    const page = await this.#readUntilDone();
    if (page === undefined) return;
    const before = this.offset;
    const firstHeld = this.#held![0]?.offset;
    this.absorb(page, firstHeld);
    // A broker that lags behind its own delivery would be asked forever.
    if (firstHeld !== undefined && firstHeld > this.offset + 1 && this.offset === before) {
      this.gap({ epoch: this.epoch, offset: firstHeld - 1 });
    }
    this.#release();
  }

  /** Reads until the broker answers; `undefined` once the channel is closed. */
  async #readUntilDone(): Promise<HistoryPage | undefined> {
    const backoff = new Backoff(HEAL_BACKOFF, this.context.random);
    while (!this.closed) {
      try {
        const page = await this.read(this.position);
        return this.closed ? undefined : page;
      } catch (error) {
        // Once: a broker that is gone fails every channel, again and again.
        if (backoff.attempts === 0) this.context.onError(error);
      }
      if (this.closed) return;
      await new Promise<void>((resolve) => {
        this.#retry = resolve;
        this.#retryTimer = this.context.clock.setTimeout(resolve, backoff.nextDelayMs());
      });
    }
  }
}

/**
 * Live publications that wait for one read of history: at 10,000 a second a read may take 100 ms.
 * By reference, so the limit is on the list; the broker keeps the bytes.
 */
export const MAX_HELD = 1024;

/** A broker that is gone is asked again at least every 5 s: sessions wait for what they missed. */
const HEAL_BACKOFF = { jitter: "equal", baseMs: 500, capMs: 5000 } as const;

/** The message of a publication, encoded once for all its subscribers. */
export function publicationMessage(publication: Publication): EncodedMessage {
  return new EncodedMessage({ type: "publication", ...publication });
}
