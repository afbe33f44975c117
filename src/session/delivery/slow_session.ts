import type { SessionInfo } from "../session_info.ts";

/** A session whose client reads more slowly than is sent to it. */
export interface SlowSession {
  readonly session: SessionInfo;
  /**
   * The channel whose publication found no room, or waits first; `undefined` where an answer did.
   */
  readonly channel: string | undefined;
  /** What waits for the session, in bytes; what its transport has taken but not sent is included. */
  readonly queuedBytes: number;
  /**
   * - `behind`: something has waited for a second. Told once, until nothing waits any more.
   * - `gap`: the queue was full, and the channel's oldest publications were dropped.
   * - `disconnect`: the queue was full, and the transport was closed with 3002.
   * - `timeout`: the network took nothing for `writeTimeoutMs`, and the transport was closed with
   *   3002.
   */
  readonly outcome: "behind" | "gap" | "disconnect" | "timeout";
}
