import type { Payload } from "../protocol/message.ts";
import type { TransportKind } from "../transport/transport.ts";
import type { Claims } from "./rights/access.ts";

/** A session as an app sees it: live, so that what is read is what is true at the moment. */
export interface SessionInfo {
  /** Its public name. */
  readonly id: string;
  /** The transport it is attached to, or `undefined` while it waits for its client. */
  readonly transport: TransportKind | undefined;
  /** IP address of the peer, without a port; the last one while it waits. */
  readonly address: string;
  readonly origin: string | undefined;
  /** Who the client is, by its token or the `onConnect` hook; `undefined` if nobody knows. */
  readonly user: string | undefined;
  /** What its token says; nothing where it has shown none. */
  readonly claims: Claims;
  /** What the client said of itself when it connected. */
  readonly info: Payload | undefined;
  /** The smoothed round-trip time in milliseconds, once a ping has measured it. */
  readonly rttMs: number | undefined;
  /**
   * What waits for it, in bytes; what its transport has taken and not sent is included, `latest`
   * values that wait to be conflated are not.
   */
  readonly queuedBytes: number;
  /** Publications that were dropped for it, in count: it reads too slowly. */
  readonly dropped: number;
  /** `latest` values that a newer one replaced before they were sent to it, in count. */
  readonly conflated: number;
  /** Commands of it that were refused with 429 or, unacknowledged, passed over, in count. */
  readonly refusedCommands: number;
}

/**
 * Answers a client's `rpc`. A `CommandError` that it throws reaches the client with its code and
 * message; of anything else the client learns that it was an internal error.
 */
export type RpcHandler = (data: Payload, session: SessionInfo) => Payload | Promise<Payload>;
