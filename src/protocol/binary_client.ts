import { BinaryReader, unknownType } from "./binary_reader.ts";
import { BinaryWriter } from "./binary_writer.ts";
import { CLIENT_SHAPES, type ClientKind } from "./client_shapes.ts";
import type { ChannelPosition, ClientMessage, Position, Publish, Resume } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";
import { type FieldReader, type FieldWriter, readFields, typeOf, writeFields } from "./shape.ts";

/** The whole frame of `message`, its length in front. */
export function encodeClientMessage(message: ClientMessage): Uint8Array {
  const [byte, fields] = CLIENT_SHAPES[message.type];
  writer.begin(byte);
  if (message.type === "publish") writePublish(message);
  else writeFields<ClientKind>(message, fields, writer);
  return writer.finish();
}

/** @throws {ProtocolError} If `bytes` is not exactly one message, without its length. */
export function decodeClientMessage(bytes: Uint8Array): ClientMessage {
  const reader = new ClientReader(bytes);
  const message = reader.type === CLIENT_SHAPES.publish[0]
    ? readPublish(reader)
    : readMessage(reader);
  reader.end();
  return message;
}

function readMessage(reader: ClientReader): ClientMessage {
  const type = typeOf(CLIENT_SHAPES, reader.type);
  if (type === undefined) throw unknownType(reader.type);
  const [, fields] = CLIENT_SHAPES[type];
  return readFields<ClientKind>({ type }, fields, reader) as ClientMessage;
}

// publish: varint id, string channel, flags, string key if flagged, trailing payload.
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

class ClientReader extends BinaryReader implements FieldReader<ClientKind> {
  "position?"(): Position | undefined {
    return this.more ? this.position() : undefined;
  }

  optionalStrings(): string[] | undefined {
    return this.bool() ? this.strings() : undefined;
  }

  strings(): string[] {
    return this.#list(() => this.string());
  }

  varints(): number[] {
    return this.#list(() => this.varint());
  }

  resume(): Resume | undefined {
    if (!this.bool()) return undefined;
    const session = this.string();
    const ticket = this.string();
    const positions: ChannelPosition[] = [];
    while (this.more) positions.push({ channel: this.string(), ...this.position() });
    return { session, ticket, positions };
  }

  /** A varint count, then the items: a count of more than there are ends with the message. */
  #list<Item>(read: () => Item): Item[] {
    const items: Item[] = [];
    for (let left = this.varint(); left > 0; left--) items.push(read());
    return items;
  }
}

class ClientWriter extends BinaryWriter implements FieldWriter<ClientKind> {
  positive(id: number): void {
    this.varint(id);
  }

  "position?"(position: Position | undefined): void {
    if (position !== undefined) this.position(position);
  }

  optionalStrings(values: readonly string[] | undefined): void {
    this.bool(values !== undefined);
    if (values !== undefined) this.strings(values);
  }

  strings(values: readonly string[]): void {
    this.varint(values.length);
    for (const value of values) this.string(value);
  }

  varints(values: readonly number[]): void {
    this.varint(values.length);
    for (const value of values) this.varint(value);
  }

  resume(resume: Resume | undefined): void {
    this.bool(resume !== undefined);
    if (resume === undefined) return;
    this.string(resume.session);
    this.string(resume.ticket);
    for (const position of resume.positions) {
      this.string(position.channel);
      this.position(position);
    }
  }
}

const writer = /* @__PURE__ */ new ClientWriter();
