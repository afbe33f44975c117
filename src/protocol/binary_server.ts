import { BinaryReader, unknownType } from "./binary_reader.ts";
import { BinaryWriter } from "./binary_writer.ts";
import type { Delivery, Member, Publication, ServerMessage } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";
import { SERVER_SHAPES, type ServerKind } from "./server_shapes.ts";
import {
  type FieldReader,
  type FieldWriter,
  type Incomplete,
  readFields,
  typeOf,
  writeFields,
} from "./shape.ts";

/** The whole frame of `message`, its length in front. */
export function encodeServerMessage(message: ServerMessage): Uint8Array {
  const [byte, fields] = SERVER_SHAPES[message.type];
  writer.begin(byte);
  if (message.type === "publication") {
    writer.string(message.channel);
    writer.header(message);
    writer.bytes(message.data.bytes);
  } else {
    writeFields<ServerKind>(message, fields, writer);
  }
  return writer.finish();
}

/** @throws {ProtocolError} If `bytes` is not exactly one message, without its length. */
export function decodeServerMessage(bytes: Uint8Array): ServerMessage {
  const reader = new ServerReader(bytes);
  if (reader.type === SERVER_SHAPES.publication[0]) {
    return { type: "publication", ...reader.publication(reader.string(), true) };
  }
  const type = typeOf(SERVER_SHAPES, reader.type);
  if (type === undefined) throw unknownType(reader.type);
  const [, fields] = SERVER_SHAPES[type];
  const message = readFields<ServerKind>({ type }, fields, reader);
  reader.end();
  return message as ServerMessage;
}

/*
 * publication: string channel, header, data as the rest of the message.
 * publications: until the end of the message: header, varint length, data.
 * header: flags, varint offset, varint time, string key if flagged, string publisher if flagged.
 */
const KEY = 1;
const REMOVED = 2;
const PUBLISHER = 4;
const BINARY = 8;

class ServerReader extends BinaryReader implements FieldReader<ServerKind> {
  "varint?"(): number | undefined {
    return this.more ? this.varint() : undefined;
  }

  delivery(): Delivery {
    return this.bool() ? "latest" : "ordered";
  }

  member(): Member {
    const session = this.string();
    const info = this.payload();
    const user = this.optionalString();
    return { session, ...(user !== undefined && { user }), ...(info !== undefined && { info }) };
  }

  members(): Member[] {
    const members: Member[] = [];
    while (this.more) members.push(this.member());
    return members;
  }

  publications(_name: string, { channel }: Incomplete): Publication[] {
    const publications: Publication[] = [];
    while (this.more) publications.push(this.publication(channel as string, false));
    return publications;
  }

  /** `trailing`: its data is the rest of the message. */
  publication(channel: string, trailing: boolean): Publication {
    const flags = this.flags(KEY | REMOVED | PUBLISHER | BINARY);
    const offset = this.varint();
    const time = this.varint();
    const key = (flags & KEY) !== 0 ? { key: this.string() } : undefined;
    const publisher = (flags & PUBLISHER) !== 0 ? { publisher: this.string() } : undefined;
    const bytes = trailing ? this.rest() : this.bytes();
    const data = { format: (flags & BINARY) !== 0 ? "binary" : "json", bytes } as const;
    if ((flags & REMOVED) === 0) return { channel, offset, time, ...key, ...publisher, data };
    if (bytes.length > 0) throw new ProtocolError(`A removal has no data: ${bytes.length} bytes`);
    return { channel, offset, time, ...key, removed: true, ...publisher, data };
  }
}

class ServerWriter extends BinaryWriter implements FieldWriter<ServerKind> {
  "varint?"(value: number | undefined): void {
    if (value !== undefined) this.varint(value);
  }

  delivery(delivery: Delivery): void {
    this.bool(delivery === "latest");
  }

  member(member: Member): void {
    this.string(member.session);
    this.payload(member.info);
    this.optionalString(member.user);
  }

  members(members: readonly Member[]): void {
    for (const member of members) this.member(member);
  }

  publications(publications: readonly Publication[]): void {
    for (const publication of publications) {
      this.header(publication);
      this.lengthAndBytes(publication.data.bytes);
    }
  }

  header(publication: Publication): void {
    const { key, publisher } = publication;
    this.byte(
      (key === undefined ? 0 : KEY) | (publication.removed ? REMOVED : 0) |
        (publisher === undefined ? 0 : PUBLISHER) |
        (publication.data.format === "binary" ? BINARY : 0),
    );
    this.varint(publication.offset);
    this.varint(publication.time);
    if (key !== undefined) this.string(key);
    if (publisher !== undefined) this.string(publisher);
  }
}

const writer = /* @__PURE__ */ new ServerWriter();
