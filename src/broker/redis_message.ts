import { Buffer } from "node:buffer";
import { BinaryReader } from "../protocol/binary_reader.ts";
import { BinaryWriter } from "../protocol/binary_writer.ts";
import type { Member, Publication } from "../protocol/message.ts";
import { varintLengthOf } from "../varint.ts";
import type { NewPublication } from "./broker.ts";

/*
 * What Redis holds and carries. Numbers are big-endian, the floats as Lua's struct.pack has them.
 *
 * publication  "p", float64 offset, float64 time, epoch (8 characters), body
 * several      "b", and until the end: uint32 length, publication
 * body         frame of: flags (1 key, 2 removed, 4 publisher, 8 binary data), string key if
 *              flagged, string publisher if flagged, data as the rest
 * presence     "m", and until the end: "+" or "-", uint32 length, node (16 characters), member
 * member       frame of: byte 0, string session, payload info
 *
 * Frames and strings are those of the binary protocol (`protocol/binary.ts`).
 */

/** Characters of an epoch. */
export const EPOCH_LENGTH = 8;
/** Characters of a node's name. */
export const NODE_LENGTH = 16;

/** A publication as Redis hands it out, with the epoch that its offset belongs to. */
export interface RedisPublication {
  readonly epoch: string;
  readonly publication: Publication;
}

/** A join or leave. */
export interface RedisPresenceEvent {
  readonly joined: boolean;
  readonly member: Member;
}

/** The publications of a channel's message; `undefined` if it is of presence. */
export function publicationsOf(message: Uint8Array): readonly Uint8Array[] | undefined {
  if (message[0] === 0x70) return [message];
  if (message[0] !== 0x62) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const publications: Uint8Array[] = [];
  for (let at = 1; at < message.length;) {
    const end = at + 4 + view.getUint32(at);
    publications.push(message.subarray(at + 4, end));
    at = end;
  }
  return publications;
}

/** What a publisher gives; Redis puts offset, time and epoch before it. */
export function encodeBody({ key, removed, publisher, data }: NewPublication): Buffer {
  writer.begin(
    (key === undefined ? 0 : KEY) | (removed ? REMOVED : 0) |
      (publisher === undefined ? 0 : PUBLISHER) | (data.format === "binary" ? BINARY : 0),
  );
  if (key !== undefined) writer.string(key);
  if (publisher !== undefined) writer.string(publisher);
  writer.bytes(data.bytes);
  return finish();
}

/** @throws {ProtocolError} If the message is not of this program, or of another version of it. */
export function decodePublication(channel: string, message: Uint8Array): RedisPublication {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const epoch = latin1(message, EPOCH_AT, BODY_AT);
  const reader = readFrame(message, BODY_AT);
  const flags = reader.type;
  const key = flags & KEY ? reader.string() : undefined;
  const publisher = flags & PUBLISHER ? reader.string() : undefined;
  return {
    epoch,
    publication: {
      channel,
      offset: view.getFloat64(1),
      time: view.getFloat64(9),
      ...(key !== undefined && { key }),
      ...(flags & REMOVED && { removed: true }),
      ...(publisher !== undefined && { publisher }),
      data: { format: flags & BINARY ? "binary" : "json", bytes: reader.rest() },
    },
  };
}

export function encodeMember(member: Member): Buffer {
  writer.begin(0);
  writer.string(member.session);
  writer.payload(member.info);
  writer.optionalString(member.user);
  return finish();
}

/** A member as Redis holds it: its node in front. */
export function decodeMember(value: Uint8Array): Member {
  const reader = readFrame(value, NODE_LENGTH);
  const session = reader.string();
  const info = reader.payload();
  const user = reader.optionalString();
  return { session, ...(user !== undefined && { user }), ...(info !== undefined && { info }) };
}

export function decodePresence(message: Uint8Array): RedisPresenceEvent[] {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const events: RedisPresenceEvent[] = [];
  for (let at = 1; at < message.length;) {
    const joined = message[at] === 0x2b;
    const end = at + 5 + view.getUint32(at + 1);
    events.push({ joined, member: decodeMember(message.subarray(at + 5, end)) });
    at = end;
  }
  return events;
}

const KEY = 1;
const REMOVED = 2;
const PUBLISHER = 4;
const BINARY = 8;
const EPOCH_AT = 17;
const BODY_AT = EPOCH_AT + EPOCH_LENGTH;

const writer = new BinaryWriter();

/** ioredis takes bytes as `Buffer` alone. */
function finish(): Buffer {
  const frame = writer.finish();
  return Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
}

/** Of a plain array: what is read is a copy then, which a slice of a `Buffer` is not. */
function readFrame(message: Uint8Array, at: number): BinaryReader {
  const start = Math.min(at + varintLengthOf(message[at] ?? 0), message.length);
  const { buffer, byteOffset, length } = message;
  return new BinaryReader(new Uint8Array(buffer, byteOffset + start, length - start));
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}
