import type { Member } from "../protocol/message.ts";

/** Takes joins and leaves in the channels that its node is subscribed to; implemented by the hub. */
export interface PresenceSink {
  joined(channel: string, member: Member): void;
  left(channel: string, member: Member): void;
}

/**
 * Who is in a channel, over all nodes. A member is a session; one that its node stops renewing
 * leaves by itself.
 */
export interface Presence {
  start(sink: PresenceSink): Promise<void>;
  /** Idempotent for one session. */
  join(channel: string, member: Member): Promise<void>;
  leave(channel: string, session: string): Promise<void>;
  /** Leaves a session that goes on at another node to that one: nobody is told. */
  forget(channel: string, session: string): void;
  /** At most `limit` members, in order of joining. */
  members(channel: string, limit: number): Promise<readonly Member[]>;
  /** How many there are, without listing them. */
  count(channel: string): Promise<number>;
  close(): Promise<void>;
}
