import { BinaryReader, unknownType } from "./binary_reader.ts";
import { BinaryWriter } from "./binary_writer.ts";
import type {
  Connected,
  Delivery,
  History,
  Member,
  Members,
  Payload,
  PresenceEvent,
  Publication,
  ServerMessage,
} from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";

/*
 * The fields after the type byte; `binary.ts` explains their types.
 *
 * 08 ping         varint id
 * 09 pong         varint id
 * 10 publication  string channel, header, data as the rest of the message
 * 11 connected    varint id, string session, string ticket, bool resumed, varint resumeWindowMs,
 *                 varint pingIntervalMs, varint pingMisses, varint reconnectSpreadMs,
 *                 varint maxMessageBytes
 * 12 subscribed   varint id, string channel, flags (1 latest, 2 recovered), position
 * 13 unsubscribed varint id, string channel, varint code, string reason
 * 14 published    varint id, position
 * 15 members      varint id, string channel, and until the end: string session, payload info
 * 16 history      varint id, string channel, position, bool complete, and until the end: header,
 *                 varint length, data
 * 17 result       varint id, trailing payload
 * 18 error        varint id, varint code, string message
 * 19 gap          string channel, position; if more follows: varint missed
 * 1a join         string channel, string session, payload info
 * 1b leave        string channel, string session, payload info
 * 1c drain        varint delayMs
 * 1d close        varint code, string reason
 *
 * header: flags (1 key, 2 removed, 4 publisher, 8 binary data), varint offset, varint time,
 * string key if flagged, string publisher if flagged.
 */

/** The whole frame of `message`, its length in front. */
export function encodeServerMessage(message: ServerMessage): Uint8Array {
  switch (message.type) {
    case "publication":
      writer.begin(0x10);
      writer.string(message.channel);
      writeHeader(message);
      writer.bytes(message.data.bytes);
      break;
    case "connected":
      writer.begin(0x11);
      writeConnected(message);
      break;
    case "subscribed":
      writer.begin(0x12);
      writer.varint(message.id);
      writer.string(message.channel);
      writer.byte((message.delivery === "latest" ? 1 : 0) | (message.recovered ? 2 : 0));
      writer.position(message.position);
      break;
    case "unsubscribed":
      writer.begin(0x13);
      writer.varint(message.id);
      writer.string(message.channel);
      writer.varint(message.code);
      writer.string(message.reason);
      break;
    case "published":
      writer.begin(0x14);
      writer.varint(message.id);
      writer.position(message.position);
      break;
    case "members":
      writer.begin(0x15);
      writer.varint(message.id);
      writer.string(message.channel);
      for (const member of message.members) writeMember(member);
      break;
    case "history":
      writer.begin(0x16);
      writeHistory(message);
      break;
    case "result":
      writer.begin(0x17);
      writer.varint(message.id);
      writer.trailingPayload(message.data);
      break;
    case "error":
      writer.begin(0x18);
      writer.varint(message.id);
      writer.varint(message.code);
      writer.string(message.message);
      break;
    case "gap":
      writer.begin(0x19);
      writer.string(message.channel);
      writer.position(message.position);
      if (message.missed !== undefined) writer.varint(message.missed);
      break;
    case "join":
    case "leave":
      writer.begin(message.type === "join" ? 0x1a : 0x1b);
      writer.string(message.channel);
      writeMember(message.member);
      break;
    case "drain":
      writer.begin(0x1c);
      writer.varint(message.delayMs);
      break;
    case "close":
      writer.begin(0x1d);
      writer.varint(message.code);
      writer.string(message.reason);
      break;
    case "ping":
      writer.begin(0x08);
      writer.varint(message.id);
      break;
    case "pong":
      writer.begin(0x09);
      writer.varint(message.id);
      break;
  }
  return writer.finish();
}

/** @throws {ProtocolError} If `bytes` is not exactly one message, without its length. */
export function decodeServerMessage(bytes: Uint8Array): ServerMessage {
  const reader = new BinaryReader(bytes);
  const message = readMessage(reader);
  reader.end();
  return message;
}

function readMessage(reader: BinaryReader): ServerMessage {
  switch (reader.type) {
    case 0x08:
      return { type: "ping", id: reader.varint() };
    case 0x09:
      return { type: "pong", id: reader.varint() };
    case 0x10:
      return { type: "publication", ...readPublication(reader, reader.string(), true) };
    case 0x11:
      return readConnected(reader);
    case 0x12: {
      const id = reader.varint();
      const channel = reader.string();
      const flags = reader.flags(3);
      const delivery: Delivery = (flags & 1) !== 0 ? "latest" : "ordered";
      const recovered = (flags & 2) !== 0;
      return { type: "subscribed", id, channel, delivery, recovered, position: reader.position() };
    }
    case 0x13:
      return {
        type: "unsubscribed",
        id: reader.varint(),
        channel: reader.string(),
        code: reader.varint(),
        reason: reader.string(),
      };
    case 0x14:
      return { type: "published", id: reader.varint(), position: reader.position() };
    case 0x15:
      return readMembers(reader);
    case 0x16:
      return readHistory(reader);
    case 0x17:
      return { type: "result", id: reader.varint(), data: reader.trailingPayload() };
    case 0x18:
      return {
        type: "error",
        id: reader.varint(),
        code: reader.varint(),
        message: reader.string(),
      };
    case 0x19: {
      const gap = { type: "gap", channel: reader.string(), position: reader.position() } as const;
      return reader.more ? { ...gap, missed: reader.varint() } : gap;
    }
    case 0x1a:
      return readPresenceEvent(reader, "join");
    case 0x1b:
      return readPresenceEvent(reader, "leave");
    case 0x1c:
      return { type: "drain", delayMs: reader.varint() };
    case 0x1d:
      return { type: "close", code: reader.varint(), reason: reader.string() };
    default:
      throw unknownType(reader.type);
  }
}

const KEY = 1;
const REMOVED = 2;
const PUBLISHER = 4;
const BINARY = 8;

function writeHeader(publication: Publication): void {
  const { key, publisher } = publication;
  writer.byte(
    (key === undefined ? 0 : KEY) | (publication.removed ? REMOVED : 0) |
      (publisher === undefined ? 0 : PUBLISHER) |
      (publication.data.format === "binary" ? BINARY : 0),
  );
  writer.varint(publication.offset);
  writer.varint(publication.time);
  if (key !== undefined) writer.string(key);
  if (publisher !== undefined) writer.string(publisher);
}

function readPublication(reader: BinaryReader, channel: string, trailing: boolean): Publication {
  const flags = reader.flags(KEY | REMOVED | PUBLISHER | BINARY);
  const offset = reader.varint();
  const time = reader.varint();
  const key = (flags & KEY) !== 0 ? { key: reader.string() } : undefined;
  const publisher = (flags & PUBLISHER) !== 0 ? { publisher: reader.string() } : undefined;
  const bytes = trailing ? reader.rest() : reader.bytes();
  const data: Payload = { format: (flags & BINARY) !== 0 ? "binary" : "json", bytes };
  if ((flags & REMOVED) === 0) return { channel, offset, time, ...key, ...publisher, data };
  if (bytes.length > 0) throw new ProtocolError(`A removal has no data: ${bytes.length} bytes`);
  return { channel, offset, time, ...key, removed: true, ...publisher, data };
}

function writeConnected(message: Connected): void {
  writer.varint(message.id);
  writer.string(message.session);
  writer.string(message.ticket);
  writer.bool(message.resumed);
  writer.varint(message.resumeWindowMs);
  writer.varint(message.pingIntervalMs);
  writer.varint(message.pingMisses);
  writer.varint(message.reconnectSpreadMs);
  writer.varint(message.maxMessageBytes);
}

function readConnected(reader: BinaryReader): Connected {
  return {
    type: "connected",
    id: reader.varint(),
    session: reader.string(),
    ticket: reader.string(),
    resumed: reader.bool(),
    resumeWindowMs: reader.varint(),
    pingIntervalMs: reader.varint(),
    pingMisses: reader.varint(),
    reconnectSpreadMs: reader.varint(),
    maxMessageBytes: reader.varint(),
  };
}

function writeMember(member: Member): void {
  writer.string(member.session);
  writer.payload(member.info);
}

function readMember(reader: BinaryReader): Member {
  const session = reader.string();
  const info = reader.payload();
  return info === undefined ? { session } : { session, info };
}

function readMembers(reader: BinaryReader): Members {
  const id = reader.varint();
  const channel = reader.string();
  const members: Member[] = [];
  while (reader.more) members.push(readMember(reader));
  return { type: "members", id, channel, members };
}

function readPresenceEvent(reader: BinaryReader, type: PresenceEvent["type"]): PresenceEvent {
  return { type, channel: reader.string(), member: readMember(reader) };
}

function writeHistory(message: History): void {
  writer.varint(message.id);
  writer.string(message.channel);
  writer.position(message.position);
  writer.bool(message.complete);
  for (const publication of message.publications) {
    writeHeader(publication);
    writer.lengthAndBytes(publication.data.bytes);
  }
}

function readHistory(reader: BinaryReader): History {
  const id = reader.varint();
  const channel = reader.string();
  const position = reader.position();
  const complete = reader.bool();
  const publications: Publication[] = [];
  while (reader.more) publications.push(readPublication(reader, channel, false));
  return { type: "history", id, channel, publications, position, complete };
}

const writer = new BinaryWriter();
