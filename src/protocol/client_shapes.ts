import type { ClientMessage } from "./message.ts";
import type { Shapes } from "./shape.ts";

/**
 * What a client's messages are made of; `?`: there if more of the message follows. A byte before
 * an `optionalString` says whether it is there.
 */
export type ClientKind =
  | "positive"
  | "varint"
  | "string"
  | "optionalString"
  | "payload"
  | "trailingPayload"
  | "optionalStrings"
  | "strings"
  | "varints"
  | "position?"
  | "resume";

/** Every message of a client. Each dialect lays out `publish` by itself. */
export const CLIENT_SHAPES = {
  connect: [0x01, { id: "positive", info: "payload", token: "optionalString", resume: "resume" }],
  subscribe: [0x02, {
    id: "positive",
    channel: "string",
    token: "optionalString",
    keys: "optionalStrings",
    position: "position?",
  }],
  unsubscribe: [0x03, { id: "positive", channel: "string" }],
  track: [0x15, { id: "positive", channel: "string", add: "strings", remove: "strings" }],
  publish: [0x04, {}],
  presence: [0x05, { id: "positive", channel: "string" }],
  history: [0x06, { id: "positive", channel: "string", limit: "varint", since: "position?" }],
  rpc: [0x07, { id: "positive", method: "string", data: "trailingPayload" }],
  ping: [0x08, { id: "varint" }],
  pong: [0x09, { id: "varint" }],
  seen: [0x16, { newest: "varint", missing: "varints" }],
  age: [0x17, { channel: "string", ageMs: "varint" }],
  leave: [0x0a, {}],
  refresh: [0x1f, { id: "positive", token: "string" }],
} as const satisfies Shapes<ClientMessage, ClientKind, "publish">;
