import { encodeBase64 } from "./base64.ts";
import { CLIENT_SHAPES } from "./client_shapes.ts";
import { type JsonKind, readMessage, unknownType } from "./json_reader.ts";
import type { ClientMessage, Payload } from "./message.ts";
import { type Fields, readFields } from "./shape.ts";

/** One line of JSON text. */
export function encodeClientMessage(message: ClientMessage): string {
  switch (message.type) {
    case "connect": {
      const { info, ...rest } = message;
      return JSON.stringify(info === undefined ? rest : { ...rest, ...field("info", info) });
    }
    case "publish":
    case "rpc": {
      const { data, ...rest } = message;
      const empty = "removed" in rest && data.bytes.length === 0;
      return JSON.stringify(empty ? rest : { ...rest, ...field("data", data) });
    }
    default:
      return JSON.stringify(message);
  }
}

/** A payload under `name` as the value that its text means, or under `name` + "64". */
function field(name: string, { format, bytes }: Payload): Record<string, unknown> {
  if (format === "json") {
    try {
      return { [name]: JSON.parse(decoder.decode(bytes)) };
    } catch {
      // It claims to be JSON and is none.
    }
  }
  return { [`${name}64`]: encodeBase64(bytes) };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {ProtocolError} If `text` is not exactly one message. */
export function decodeClientMessage(text: string): ClientMessage {
  const { type, reader } = readMessage(text);
  const message = readFields({ type }, fieldsOf(type), reader);
  reader.end();
  return message as ClientMessage;
}

function fieldsOf(type: string): Fields<JsonKind> {
  if (type === "publish") return PUBLISH;
  if (!Object.hasOwn(CLIENT_SHAPES, type)) throw unknownType(type);
  return CLIENT_SHAPES[type as keyof typeof CLIENT_SHAPES][1];
}

const PUBLISH = {
  id: "varint",
  channel: "string",
  key: "string?",
  removed: "removed",
  data: "data",
} as const;
