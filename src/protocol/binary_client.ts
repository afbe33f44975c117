import { BinaryReader, unknownType } from "./binary_reader.ts";
import { BinaryWriter } from "./binary_writer.ts";
import type { ChannelPosition, ClientMessage, Connect, HistoryQuery, Publish } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";

/*
 * The fields after the type byte; `binary.ts` explains their types.
 *
 * 01 connect      varint id, payload info, bool resume; if so: string session, string ticket, and
 *                 until the end: string channel, position
 * 02 subscribe    varint id, string channel; if more follows: position
 * 03 unsubscribe  varint id, string channel
 * 04 publish      varint id, string channel, flags (1 key, 2 removed), string key if flagged,
 *                 trailing payload
 * 05 presence     varint id, string channel
 * 06 history      varint id, string channel, varint limit; if more follows: position since
 * 07 rpc          varint id, string method, trailing payload
 * 08 ping         varint id
 * 09 pong         varint id
 * 0a leave
 */

/** The whole frame of `message`, its length in front. */
export function encodeClientMessage(message: ClientMessage): Uint8Array {
  switch (message.type) {
    case "connect":
      writer.begin(0x01);
      writeConnect(message);
      break;
    case "subscribe":
      writer.begin(0x02);
      writer.varint(message.id);
      writer.string(message.channel);
      if (message.position !== undefined) writer.position(message.position);
      break;
    case "unsubscribe":
      writer.begin(0x03);
      writer.varint(message.id);
      writer.string(message.channel);
      break;
    case "publish":
      writer.begin(0x04);
      writePublish(message);
      break;
    case "presence":
      writer.begin(0x05);
      writer.varint(message.id);
      writer.string(message.channel);
      break;
    case "history":
      writer.begin(0x06);
      writer.varint(message.id);
      writer.string(message.channel);
      writer.varint(message.limit);
      if (message.since !== undefined) writer.position(message.since);
      break;
    case "rpc":
      writer.begin(0x07);
      writer.varint(message.id);
      writer.string(message.method);
      writer.trailingPayload(message.data);
      break;
    case "ping":
      writer.begin(0x08);
      writer.varint(message.id);
      break;
    case "pong":
      writer.begin(0x09);
      writer.varint(message.id);
      break;
    case "leave":
      writer.begin(0x0a);
      break;
  }
  return writer.finish();
}

/** @throws {ProtocolError} If `bytes` is not exactly one message, without its length. */
export function decodeClientMessage(bytes: Uint8Array): ClientMessage {
  const reader = new BinaryReader(bytes);
  const message = readMessage(reader);
  reader.end();
  return message;
}

function readMessage(reader: BinaryReader): ClientMessage {
  switch (reader.type) {
    case 0x01:
      return readConnect(reader);
    case 0x02: {
      const message = {
        type: "subscribe",
        id: reader.positive(),
        channel: reader.string(),
      } as const;
      return reader.more ? { ...message, position: reader.position() } : message;
    }
    case 0x03:
      return { type: "unsubscribe", id: reader.positive(), channel: reader.string() };
    case 0x04:
      return readPublish(reader);
    case 0x05:
      return { type: "presence", id: reader.positive(), channel: reader.string() };
    case 0x06: {
      const message: HistoryQuery = {
        type: "history",
        id: reader.positive(),
        channel: reader.string(),
        limit: reader.varint(),
      };
      return reader.more ? { ...message, since: reader.position() } : message;
    }
    case 0x07:
      return {
        type: "rpc",
        id: reader.positive(),
        method: reader.string(),
        data: reader.trailingPayload(),
      };
    case 0x08:
      return { type: "ping", id: reader.varint() };
    case 0x09:
      return { type: "pong", id: reader.varint() };
    case 0x0a:
      return { type: "leave" };
    default:
      throw unknownType(reader.type);
  }
}

function writeConnect(message: Connect): void {
  const { resume } = message;
  writer.varint(message.id);
  writer.payload(message.info);
  writer.bool(resume !== undefined);
  if (resume === undefined) return;
  writer.string(resume.session);
  writer.string(resume.ticket);
  for (const position of resume.positions) {
    writer.string(position.channel);
    writer.position(position);
  }
}

function readConnect(reader: BinaryReader): Connect {
  const id = reader.positive();
  const info = reader.payload();
  const message = { type: "connect", id, ...(info === undefined ? {} : { info }) } as const;
  if (!reader.bool()) return message;
  const session = reader.string();
  const ticket = reader.string();
  const positions: ChannelPosition[] = [];
  while (reader.more) {
    positions.push({ channel: reader.string(), epoch: reader.string(), offset: reader.varint() });
  }
  return { ...message, resume: { session, ticket, positions } };
}

const KEY = 1;
const REMOVED = 2;

function writePublish(message: Publish): void {
  const { key } = message;
  writer.varint(message.id);
  writer.string(message.channel);
  writer.byte((key === undefined ? 0 : KEY) | (message.removed ? REMOVED : 0));
  if (key !== undefined) writer.string(key);
  writer.trailingPayload(message.data);
}

function readPublish(reader: BinaryReader): Publish {
  const id = reader.varint();
  const channel = reader.string();
  const flags = reader.flags(KEY | REMOVED);
  // The common publish, unkeyed or keyed, is built at once: spreading costs more than reading it.
  if (flags === 0) return { type: "publish", id, channel, data: reader.trailingPayload() };
  if (flags === KEY) {
    return { type: "publish", id, channel, key: reader.string(), data: reader.trailingPayload() };
  }
  const key = (flags & KEY) !== 0 ? { key: reader.string() } : {};
  const data = reader.trailingPayload();
  if (data.bytes.length > 0) {
    throw new ProtocolError(`A removal has no data: ${data.bytes.length} bytes`);
  }
  return { type: "publish", id, channel, ...key, removed: true, data };
}

const writer = new BinaryWriter();
