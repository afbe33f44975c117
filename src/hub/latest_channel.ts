import type { HistoryPage } from "../broker/broker.ts";
import type { TimerId } from "../policy/clock.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Position, Publication } from "../protocol/message.ts";
import { Channel, publicationMessage } from "./channel.ts";
import type { Subscriber } from "./subscriber.ts";

/**
 * A channel that delivers the newest value of each key. It holds all of them, so that a new
 * subscriber costs no read and all share the bytes.
 */
export class LatestChannel extends Channel {
  /** The newest value of each key, in offset order. */
  readonly #values = new Map<string, Value>();
  /** Keys that were published and are not quiet yet, in the order in which they become so. */
  readonly #unsettled = new Map<string, Value>();
  #settleTimer: TimerId | undefined;
  /** Those that want a key and not all, so that a publication costs nobody else. */
  readonly #trackers = new Map<string, Set<Subscriber>>();

  protected override read(): Promise<HistoryPage> {
    return this.context.broker.latest(this.name, this.namespace.retention);
  }

  protected override absorb(page: HistoryPage): void {
    const { epoch, offset } = page.position;
    if (epoch !== this.epoch) {
      this.#values.clear();
      this.#unsettled.clear();
      this.gap({ epoch, offset: 0 });
    }
    for (const publication of page.publications) {
      if (publication.offset > this.offset) this.accept(publication);
    }
    this.offset = Math.max(this.offset, offset);
  }

  protected override accept(publication: Publication): void {
    this.offset = publication.offset;
    const message = publicationMessage(publication);
    const value = { message, publication, atMs: this.context.clock.now() };
    const key = publication.key ?? "";
    // Removed first, so that both maps stay in the order of their values.
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.namespace.maxKeys) this.#values.delete(firstKey(this.#values));
    if (this.namespace.settleMs > 0 && !this.closed) {
      this.#unsettled.delete(key);
      this.#unsettled.set(key, value);
      if (this.#unsettled.size > this.namespace.maxKeys) this.#settleFirst();
      this.#settleTimer ??= this.context.clock.setTimeout(this.#settle, this.namespace.settleMs);
    }
    this.deliver(message, publication, false);
  }

  /** Replays every key whatever the position: what came by datagram may never have arrived. */
  protected override start(subscriber: Subscriber, asked?: Position): void {
    this.#expire();
    const replay: EncodedMessage[] = [];
    const mayHoldKeys = asked !== undefined && asked.epoch === this.epoch;
    for (const { message, publication } of this.#values.values()) {
      if (subscriber.keys?.has(publication.key ?? "") === false) continue;
      if (mayHoldKeys || !publication.removed) replay.push(message);
    }
    const recovered = asked === undefined || mayHoldKeys;
    this.add(subscriber);
    for (const key of subscriber.keys ?? []) this.#track(key, subscriber);
    subscriber.begin({ delivery: "latest", position: this.position, recovered }, replay);
  }

  /**
   * Begins and ends the delivery of keys to a subscriber that has {@linkcode Subscriber.keys}, which
   * have been changed already. Returns the newest value of each key that was added.
   */
  track(
    subscriber: Subscriber,
    add: Iterable<string>,
    remove: Iterable<string>,
  ): readonly EncodedMessage[] {
    for (const key of remove) this.#untrack(key, subscriber);
    this.#expire();
    const values: EncodedMessage[] = [];
    for (const key of add) {
      this.#track(key, subscriber);
      const value = this.#values.get(key);
      // A removal too: the client may hold the key from before.
      if (value !== undefined) values.push(value.message);
    }
    return values;
  }

  protected override left(subscriber: Subscriber): void {
    for (const key of subscriber.keys ?? []) this.#untrack(key, subscriber);
  }

  /** To those that want all, and to those that want the key. */
  protected override deliver(
    message: EncodedMessage,
    publication: Publication,
    settled: boolean,
  ): void {
    super.deliver(message, publication, settled);
    const trackers = this.#trackers.get(publication.key ?? "");
    if (trackers === undefined) return;
    for (const subscriber of trackers) {
      try {
        subscriber.deliver(message, publication, settled);
      } catch (error) {
        this.context.onError(error);
      }
    }
  }

  override close(): void {
    super.close();
    if (this.#settleTimer !== undefined) this.context.clock.clearTimeout(this.#settleTimer);
    this.#unsettled.clear();
  }

  #track(key: string, subscriber: Subscriber): void {
    const trackers = this.#trackers.get(key);
    if (trackers === undefined) this.#trackers.set(key, new Set([subscriber]));
    else trackers.add(subscriber);
  }

  #untrack(key: string, subscriber: Subscriber): void {
    const trackers = this.#trackers.get(key);
    if (trackers?.delete(subscriber) && trackers.size === 0) this.#trackers.delete(key);
  }

  #expire(): void {
    const oldestMs = this.context.clock.now() - this.namespace.keyTtlMs;
    for (const [key, { atMs }] of this.#values) {
      if (atMs > oldestMs) break;
      this.#values.delete(key);
    }
  }

  readonly #settle = (): void => {
    this.#settleTimer = undefined;
    const { clock } = this.context;
    const quietMs = clock.now() - this.namespace.settleMs;
    let settled = 0;
    for (const { atMs } of this.#unsettled.values()) {
      if (atMs > quietMs || settled++ === SETTLED_AT_ONCE) {
        this.#settleTimer = clock.setTimeout(this.#settle, Math.max(0, atMs - quietMs));
        return;
      }
      this.#settleFirst();
    }
  };

  #settleFirst(): void {
    const key = firstKey(this.#unsettled);
    const { message, publication } = this.#unsettled.get(key)!;
    this.#unsettled.delete(key);
    this.deliver(message, publication, true);
  }
}

interface Value {
  readonly message: EncodedMessage;
  readonly publication: Publication;
  /** When it came, by the clock. */
  readonly atMs: number;
}

/** With 1000 subscribers these take a few milliseconds; then input has its turn. */
const SETTLED_AT_ONCE = 256;

function firstKey(map: ReadonlyMap<string, Value>): string {
  return map.keys().next().value!;
}
