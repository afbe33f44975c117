import { decodeBase64, encodeBase64 } from "../../protocol/base64.ts";
import type { Payload } from "../../protocol/message.ts";

/** What another node needs to go on with a session. */
export interface SessionRecord {
  readonly user: string | undefined;
  readonly info: Payload | undefined;
  readonly subscriptions: readonly SubscriptionRecord[];
  /** The hashes of the tickets that continue it. */
  readonly ticketHashes: readonly string[];
}

export interface SubscriptionRecord {
  readonly channel: string;
  /** The command that made it. */
  readonly commandId: number;
  /** The keys that are wanted; `undefined`: all. */
  readonly keys: readonly string[] | undefined;
}

/** A record as text. */
export function encodeRecord({ info, ...record }: SessionRecord): string {
  return JSON.stringify({
    ...record,
    ...(info && { info: { format: info.format, base64: encodeBase64(info.bytes) } }),
  });
}

/** Takes the nodes at their word: only they write there. */
export function decodeRecord(text: string): SessionRecord {
  const { info, ...record } = JSON.parse(text);
  return {
    ...record,
    info: info && { format: info.format, bytes: decodeBase64(info.base64) },
  };
}
