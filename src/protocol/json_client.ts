import { type JsonFields, parseMessage, unknownType } from "./json_fields.ts";
import { withData, withPayload } from "./json_payload.ts";
import type {
  ClientMessage,
  Connect,
  HistoryQuery,
  Publish,
  Resume,
  Subscribe,
} from "./message.ts";

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
  const { type, fields } = parseMessage(text);
  const message = readMessage(type, fields);
  fields.end();
  return message;
}

function readMessage(type: string, fields: JsonFields): ClientMessage {
  switch (type) {
    case "connect":
      return readConnect(fields);
    case "subscribe":
      return readSubscribe(fields);
    case "unsubscribe":
    case "presence":
      return { type, id: fields.positive("id"), channel: fields.string("channel") };
    case "publish":
      return readPublish(fields);
    case "history":
      return readHistoryQuery(fields);
    case "rpc":
      return {
        type,
        id: fields.positive("id"),
        method: fields.string("method"),
        data: fields.payload("data"),
      };
    case "ping":
    case "pong":
      return { type, id: fields.integer("id") };
    case "leave":
      return { type };
    default:
      throw unknownType(type);
  }
}

function readConnect(fields: JsonFields): Connect {
  return {
    type: "connect",
    id: fields.positive("id"),
    ...(fields.has("info") || fields.has("info64") ? { info: fields.payload("info") } : {}),
    ...(fields.has("resume") ? { resume: readResume(fields.object("resume")) } : {}),
  };
}

function readResume(fields: JsonFields): Resume {
  return {
    session: fields.string("session"),
    ticket: fields.string("ticket"),
    positions: fields.array("positions").map((position) => ({
      channel: position.string("channel"),
      epoch: position.string("epoch"),
      offset: position.integer("offset"),
    })),
  };
}

function readSubscribe(fields: JsonFields): Subscribe {
  return {
    type: "subscribe",
    id: fields.positive("id"),
    channel: fields.string("channel"),
    ...(fields.has("position") ? { position: fields.position("position") } : {}),
  };
}

function readHistoryQuery(fields: JsonFields): HistoryQuery {
  return {
    type: "history",
    id: fields.positive("id"),
    channel: fields.string("channel"),
    limit: fields.integer("limit"),
    ...(fields.has("since") ? { since: fields.position("since") } : {}),
  };
}

function readPublish(fields: JsonFields): Publish {
  const removed = fields.has("removed") && fields.bool("removed");
  return {
    type: "publish",
    id: fields.integer("id"),
    channel: fields.string("channel"),
    ...(fields.has("key") ? { key: fields.string("key") } : {}),
    ...(removed ? { removed } : {}),
    data: fields.data(removed),
  };
}
