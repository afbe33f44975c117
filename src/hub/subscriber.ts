import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Position, Publication } from "../protocol/message.ts";

/** One subscription of one session, as the hub sees it. No call waits and none throws. */
export interface Subscriber {
  /** The session's public name. */
  readonly session: string;
  /**
   * A live publication, in offset order. `settled` says that it comes a second time because its
   * key went quiet: whoever got it by datagram now gets it reliably.
   */
  deliver(message: EncodedMessage, publication: Publication, settled: boolean): void;
  /** A join or leave. */
  inform(message: EncodedMessage): void;
  /** Publications up to `position` were missed and cannot be healed. */
  gap(position: Position): void;
}
