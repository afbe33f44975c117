import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Delivery, Position, Publication } from "../protocol/message.ts";

/** Where a subscription starts. */
export interface Start {
  readonly delivery: Delivery;
  /** The newest position that was read; live delivery goes on after it. */
  readonly position: Position;
  /** Whether everything after the position asked for is in the replay; true if none was. */
  readonly recovered: boolean;
}

/** One subscription of one session, as the hub sees it. No call waits and none throws. */
export interface Subscriber {
  /** The hub's own: the place in its channel's list, -1 while it is in none. */
  slot: number;
  /**
   * The keys of a `latest` channel that it wants; `undefined`: all of them. Only
   * {@linkcode LatestChannel.track} changes it while the subscriber is in the channel.
   */
  readonly keys?: ReadonlySet<string> | undefined;
  /**
   * Called once, before anything else: from here on every publication after `start.position` is
   * delivered. `replay` is what precedes it: of an `ordered` channel the publications after the
   * position asked for, of a `latest` channel the newest of each key.
   */
  begin(start: Start, replay: readonly EncodedMessage[]): void;
  /**
   * A publication, in offset order. One that was delivered before may come again and is to be
   * passed over, unless it is `settled`: then its key went quiet, and whoever got it by datagram
   * now gets it reliably.
   */
  deliver(message: EncodedMessage, publication: Publication, settled: boolean): void;
  /** A join or leave. */
  inform(message: EncodedMessage): void;
  /** Publications up to `position` were missed and cannot be healed. */
  gap(position: Position): void;
}
