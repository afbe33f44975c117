import assert from "node:assert/strict";
import * as binary from "../../src/protocol/binary.ts";
import { parseChannelName } from "../../src/protocol/channel_name.ts";
import { CommandError } from "../../src/protocol/error_code.ts";
import { Framer } from "../../src/protocol/framer.ts";
import * as json from "../../src/protocol/json.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/message.ts";
import { ProtocolError } from "../../src/protocol/protocol_error.ts";
import { decodeVarint } from "../../src/varint.ts";
import { concat } from "../bytes.ts";
import { sameAgain, stream, type Target } from "./target.ts";

const MAX_FRAME_BYTES = 1024;
/** The start of a varint that is not whole, and the longest one before a frame that is not. */
const LENGTH_BYTES = 8;

const utf8 = new TextEncoder();
const decoder = new TextDecoder();
const isProtocolError = (error: unknown) => error instanceof ProtocolError;

const position = { epoch: "e1", offset: 2 ** 40 };
const text = { format: "json", bytes: utf8.encode('{"x":[1,null,"\\u00e9"]}') } as const;
const bytes = { format: "binary", bytes: Uint8Array.of(0, 0x7f, 0xff) } as const;
const publication = {
  channel: "chat:lobby",
  offset: 7,
  time: 1_700_000_000_000,
  key: "k",
  publisher: "s",
  data: bytes,
} as const;

/** One of each message of a client, and more where a field may be left out. */
export const CLIENT_MESSAGES: readonly ClientMessage[] = [
  { type: "connect", id: 1 },
  {
    type: "connect",
    id: 1,
    info: text,
    token: "a.b.c",
    resume: { session: "s", ticket: "t", positions: [{ channel: "chat:é", ...position }] },
  },
  { type: "subscribe", id: 2, channel: "chat:lobby", position },
  { type: "subscribe", id: 2, channel: "chat:lobby", token: "a.b.c", position },
  { type: "subscribe", id: 2, channel: "pos:1", keys: ["a", "é"], position },
  { type: "unsubscribe", id: 3, channel: "chat:lobby" },
  { type: "track", id: 3, channel: "pos:1", add: ["a"], remove: ["b", "c"] },
  { type: "publish", id: 4, channel: "chat:lobby", data: text },
  { type: "publish", id: 0, channel: "pos:1", key: "k", data: bytes },
  { type: "presence", id: 5, channel: "chat:lobby" },
  { type: "history", id: 6, channel: "chat:lobby", limit: 100, since: position },
  { type: "rpc", id: 7, method: "move", data: text },
  { type: "refresh", id: 8, token: "a.b.c" },
  { type: "ping", id: 8 },
  { type: "pong", id: 8 },
  { type: "seen", newest: 70, missing: [64, 66] },
  { type: "age", channel: "pos:1", ageMs: 25 },
  { type: "leave" },
];

const SERVER_MESSAGES: readonly ServerMessage[] = [
  {
    type: "connected",
    id: 1,
    session: "s",
    ticket: "t",
    resumed: true,
    resumeWindowMs: 30_000,
    pingIntervalMs: 30_000,
    pingMisses: 3,
    reconnectSpreadMs: 5000,
    maxMessageBytes: 65_536,
    expiresInMs: 300_000,
  },
  {
    type: "subscribed",
    id: 2,
    channel: "chat:lobby",
    delivery: "latest",
    position,
    recovered: true,
  },
  { type: "unsubscribed", id: 0, channel: "chat:lobby", code: 1, reason: "no" },
  { type: "tracked", id: 3, channel: "pos:1" },
  { type: "mark", number: 70 },
  { type: "published", id: 4, position },
  { type: "members", id: 5, channel: "chat:lobby", members: [{ session: "s", info: text }] },
  {
    type: "history",
    id: 6,
    channel: "chat:lobby",
    publications: [publication],
    position,
    complete: true,
  },
  { type: "result", id: 7, data: bytes },
  { type: "refreshed", id: 8, expiresInMs: 300_000 },
  { type: "error", id: 7, code: 2, message: "no" },
  { type: "publication", ...publication },
  { type: "gap", channel: "chat:lobby", position, missed: 3 },
  { type: "join", channel: "chat:lobby", member: { session: "s", user: "u", info: bytes } },
  { type: "drain", delayMs: 1000 },
  { type: "close", code: 3000, reason: "bye" },
];

const CLIENT_FRAMES = CLIENT_MESSAGES.map(binary.encodeClientMessage);
const SERVER_FRAMES = SERVER_MESSAGES.map(binary.encodeServerMessage);

/** The parsers of `src/protocol`. */
export const PROTOCOL_TARGETS: readonly Target[] = [
  {
    name: "binary message of a client",
    corpus: CLIENT_FRAMES.map(withoutLength),
    allows: isProtocolError,
    parse(input) {
      const message = binary.decodeClientMessage(input);
      const again = binary.encodeClientMessage(message);
      sameAgain(binary.decodeClientMessage(withoutLength(again)), message);
    },
  },
  {
    name: "binary message of a server",
    corpus: SERVER_FRAMES.map(withoutLength),
    allows: isProtocolError,
    parse(input) {
      const message = binary.decodeServerMessage(input);
      const again = binary.encodeServerMessage(message);
      sameAgain(binary.decodeServerMessage(withoutLength(again)), message);
    },
  },
  {
    name: "JSON message of a client",
    corpus: CLIENT_MESSAGES.map((message) => utf8.encode(json.encodeClientMessage(message))),
    allows: isProtocolError,
    parse(input) {
      const message = json.decodeClientMessage(decoder.decode(input));
      sameAgain(json.decodeClientMessage(json.encodeClientMessage(message)), message);
    },
  },
  {
    name: "JSON message of a server",
    corpus: SERVER_MESSAGES.map(json.encodeServerMessage),
    allows: isProtocolError,
    parse(input) {
      const message = json.decodeServerMessage(decoder.decode(input));
      const again = decoder.decode(json.encodeServerMessage(message) as Uint8Array<ArrayBuffer>);
      sameAgain(json.decodeServerMessage(again), message);
    },
  },
  {
    name: "frames of binary messages",
    corpus: [...CLIENT_FRAMES, concat(...CLIENT_FRAMES), concat(...SERVER_FRAMES)],
    allows: isProtocolError,
    parse(input, random) {
      const framer = new Framer(MAX_FRAME_BYTES);
      stream(
        {
          get bufferedBytes() {
            return framer.pendingBytes;
          },
          push: (chunk) => framer.push(chunk),
          next: () => framer.next(),
        },
        input,
        random,
        MAX_FRAME_BYTES + LENGTH_BYTES,
      );
    },
  },
  {
    name: "channel name",
    corpus: ["chat:lobby", "pos", "é:\u{1f600}", "a".repeat(255)].map((name) => utf8.encode(name)),
    allows: (error) => error instanceof CommandError,
    parse(input) {
      const name = decoder.decode(input);
      const parsed = parseChannelName(name);
      assert(name.startsWith(parsed.namespace) && parsed.namespace !== "");
    },
  },
];

function withoutLength(frame: Uint8Array): Uint8Array {
  return frame.subarray(decodeVarint(frame, 0)!.next);
}
