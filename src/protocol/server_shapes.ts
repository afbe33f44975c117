import type { ServerMessage } from "./message.ts";
import type { Shapes } from "./shape.ts";

/** What a server's messages are made of; `?`: there if more of the message follows. */
export type ServerKind =
  | "varint"
  | "varint?"
  | "string"
  | "bool"
  | "position"
  | "trailingPayload"
  | "delivery"
  | "member"
  | "members"
  | "publications";

/** Every message of a server. Each dialect lays out `publication` by itself. */
export const SERVER_SHAPES = {
  ping: [0x08, { id: "varint" }],
  pong: [0x09, { id: "varint", time: "varint?" }],
  publication: [0x10, {}],
  connected: [0x11, {
    id: "varint",
    session: "string",
    ticket: "string",
    resumed: "bool",
    resumeWindowMs: "varint",
    pingIntervalMs: "varint",
    pingMisses: "varint",
    reconnectSpreadMs: "varint",
    maxMessageBytes: "varint",
    expiresInMs: "varint?",
  }],
  subscribed: [0x12, {
    id: "varint",
    channel: "string",
    delivery: "delivery",
    recovered: "bool",
    position: "position",
  }],
  unsubscribed: [0x13, { id: "varint", channel: "string", code: "varint", reason: "string" }],
  tracked: [0x28, { id: "varint", channel: "string" }],
  published: [0x14, { id: "varint", position: "position" }],
  members: [0x15, { id: "varint", channel: "string", members: "members" }],
  history: [0x16, {
    id: "varint",
    channel: "string",
    position: "position",
    complete: "bool",
    publications: "publications",
  }],
  result: [0x17, { id: "varint", data: "trailingPayload" }],
  error: [0x18, { id: "varint", code: "varint", message: "string" }],
  gap: [0x19, { channel: "string", position: "position", missed: "varint?" }],
  join: [0x1a, { channel: "string", member: "member" }],
  leave: [0x1b, { channel: "string", member: "member" }],
  mark: [0x29, { number: "varint" }],
  drain: [0x1c, { delayMs: "varint" }],
  refreshed: [0x32, { id: "varint", expiresInMs: "varint?" }],
  close: [0x1d, { code: "varint", reason: "string" }],
} as const satisfies Shapes<ServerMessage, ServerKind, "publication">;
