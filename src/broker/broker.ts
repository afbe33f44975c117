import type { Payload, Position, Publication } from "../protocol/message.ts";

/** What a publisher wants published; the broker adds offset and time. */
export interface NewPublication {
  readonly channel: string;
  readonly key?: string;
  readonly removed?: true;
  readonly publisher?: string;
  readonly data: Payload;
  /** The publisher may send it again, to another node if this one dies: it is published once. */
  readonly once?: Once;
}

/** What tells a publication of one publisher from its others. */
export interface Once {
  /** Rises from one to the next. */
  readonly id: number;
  /** How long the publisher may take to send it again, in milliseconds. */
  readonly withinMs: number;
}

/** What the broker keeps of a channel. */
export interface Retention {
  /** Publications kept; 0 keeps none (offsets still count). */
  readonly historySize: number;
  /** How long a publication is kept, in milliseconds. */
  readonly historyTtlMs: number;
  /** Whether the newest publication of each key is kept, in place of history. */
  readonly latest: boolean;
  /** Keys kept by a `latest` channel; at the limit the key longest unchanged is forgotten. */
  readonly maxKeys: number;
  /** How long the value of a key is kept without a new one, in milliseconds. */
  readonly keyTtlMs: number;
}

export interface HistoryPage {
  readonly publications: readonly Publication[];
  /** The newest position of the channel. */
  readonly position: Position;
  /** Whether nothing is missing between `since` and the first publication. */
  readonly complete: boolean;
}

/** Takes what the broker delivers; implemented by the hub. */
export interface BrokerSink {
  /** In offset order per channel, each at most once, on every subscribed node. */
  publication(publication: Publication): void;
  /** Publications up to `position` may have been missed; history says which. */
  interrupted(channel: string, position: Position): void;
}

/**
 * Carries publications between nodes and keeps their history.
 *
 * - `publish` is atomic: offset, store and delivery are one step, so that history and live
 *   delivery never disagree. When it resolves, the publication is kept.
 * - A publication that says {@linkcode Once} and was published before is not published again: the
 *   answer is the position that it got. Nodes without a backend have no other node to send it to.
 * - Two calls of `publish` for one channel from one node keep their order.
 * - Delivery to subscribed nodes, the publishing one included, is at most once and in offset
 *   order; a node heals what it missed from history.
 * - A channel's epoch changes when its offsets start anew: `{ "a7", 12 }` then is no place in
 *   epoch `"k2"`, whatever its offset.
 * - Presence is not here: it needs no such atomicity (`presence.ts`).
 *
 * Errors are `CommandError`s with code 503 where the broker cannot be reached.
 */
export interface Broker {
  /** Called once, before anything else. */
  start(sink: BrokerSink): Promise<void>;
  /** Begins delivery of the channel to this node. Idempotent. */
  subscribe(channel: string, retention: Retention): Promise<void>;
  /** Ends delivery of the channel to this node. */
  unsubscribe(channel: string): void;
  publish(publication: NewPublication, retention: Retention): Promise<Position>;
  /**
   * The oldest `limit` publications after `since`, or the newest `limit` without it; in offset
   * order.
   */
  history(
    channel: string,
    retention: Retention,
    query: { since?: Position; limit: number },
  ): Promise<HistoryPage>;
  /** The newest publication of every key of a `latest` channel, in offset order. */
  latest(channel: string, retention: Retention): Promise<HistoryPage>;
  close(): Promise<void>;
}
