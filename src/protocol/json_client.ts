import { CLIENT_SHAPES } from "./client_shapes.ts";
import { withData, withPayload } from "./json_payload.ts";
import { type JsonKind, readMessage, unknownType } from "./json_reader.ts";
import type { ClientMessage } from "./message.ts";
import { type Fields, readFields } from "./shape.ts";

/** One line of JSON text. */
export function encodeClientMessage(message: ClientMessage): string {
  switch (message.type) {
    case "connect": {
      const { info, ...rest } = message;
      const head = JSON.stringify(rest);
      return info === undefined ? head : withPayload(head, "info", info);
    }
    case "publish": {
      const { data, ...rest } = message;
      return withData(JSON.stringify(rest), message.removed === true, data);
    }
    case "rpc": {
      const { data, ...rest } = message;
      return withPayload(JSON.stringify(rest), "data", data);
    }
    default:
      return JSON.stringify(message);
  }
}

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
