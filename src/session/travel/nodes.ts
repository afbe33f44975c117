import type { ChannelPosition, ErrorReply, Published } from "../../protocol/message.ts";
import type { SessionRecord } from "./session_record.ts";

/** What a node hands over of a session that goes on elsewhere. */
export interface Handover {
  readonly record: SessionRecord;
  /** From where each subscription goes on, if its client does not say. */
  readonly positions: readonly ChannelPosition[];
  /** The answers to the newest publishes: those that are sent again must not be done again. */
  readonly answers: readonly (Published | ErrorReply)[];
}

/** The nodes that share Redis, as sessions see them. */
export interface Nodes {
  /** Names this node, as the first eight hexadecimal digits of what is made on it do. */
  readonly name: string;
  /**
   * Has a node give up a session for whoever has its ticket (`ticketHash`, of SHA-256). "refused":
   * it is not that one's; `undefined`: the node does not answer, and is taken for dead.
   */
  release(
    node: string,
    session: string,
    ticketHash: string,
  ): Promise<Handover | "refused" | undefined>;
}

/** How many hexadecimal digits name a node. */
export const NODE_NAME_LENGTH = 8;
