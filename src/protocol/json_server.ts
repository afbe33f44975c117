import { type JsonFields, parseMessage, unknownType } from "./json_fields.ts";
import { withData, withField, withPayload } from "./json_payload.ts";
import type {
  Connected,
  History,
  Member,
  Publication,
  ServerMessage,
  Subscribed,
} from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";

/** One line of JSON text, in UTF-8. */
export function encodeServerMessage(message: ServerMessage): Uint8Array {
  return encoder.encode(stringify(message));
}

/** @throws {ProtocolError} If `text` is not exactly one message. */
export function decodeServerMessage(text: string): ServerMessage {
  const { type, fields } = parseMessage(text);
  switch (type) {
    case "publication":
      return { type, ...readPublication(fields, fields.string("channel")) };
    case "connected":
      return readConnected(fields);
    case "subscribed":
      return readSubscribed(fields);
    case "unsubscribed":
      return {
        type,
        id: fields.integer("id"),
        channel: fields.string("channel"),
        code: fields.integer("code"),
        reason: fields.string("reason"),
      };
    case "published":
      return { type, id: fields.integer("id"), position: fields.position("position") };
    case "members":
      return {
        type,
        id: fields.integer("id"),
        channel: fields.string("channel"),
        members: fields.array("members").map(readMember),
      };
    case "history":
      return readHistory(fields);
    case "result":
      return { type, id: fields.integer("id"), data: fields.payload("data") };
    case "error":
      return {
        type,
        id: fields.integer("id"),
        code: fields.integer("code"),
        message: fields.string("message"),
      };
    case "gap":
      return {
        type,
        channel: fields.string("channel"),
        position: fields.position("position"),
        ...(fields.has("missed") ? { missed: fields.integer("missed") } : {}),
      };
    case "join":
    case "leave":
      return {
        type,
        channel: fields.string("channel"),
        member: readMember(fields.object("member")),
      };
    case "ping":
    case "pong":
      return { type, id: fields.integer("id") };
    case "drain":
      return { type, delayMs: fields.integer("delayMs") };
    case "close":
      return { type, code: fields.integer("code"), reason: fields.string("reason") };
    default:
      throw unknownType(type);
  }
}

function stringify(message: ServerMessage): string {
  switch (message.type) {
    case "publication":
      return stringifyPublication(message);
    case "result": {
      const { data, ...rest } = message;
      return withPayload(JSON.stringify(rest), "data", data);
    }
    case "members": {
      const { members, ...rest } = message;
      return withField(JSON.stringify(rest), "members", `[${members.map(stringifyMember)}]`);
    }
    case "history": {
      const { channel, publications, ...rest } = message;
      const items = publications.map(stringifyHistoryItem);
      return withField(JSON.stringify({ ...rest, channel }), "publications", `[${items}]`);
    }
    case "join":
    case "leave": {
      const { member, ...rest } = message;
      return withField(JSON.stringify(rest), "member", stringifyMember(member));
    }
    default:
      return JSON.stringify(message);
  }
}

function stringifyPublication(publication: Publication): string {
  const { data, ...rest } = publication;
  return withData(JSON.stringify(rest), publication.removed === true, data);
}

/** A publication of a history page: the page names the channel. */
function stringifyHistoryItem(publication: Publication): string {
  const { channel: _, data, ...rest } = publication;
  return withData(JSON.stringify(rest), publication.removed === true, data);
}

function readPublication(fields: JsonFields, channel: string): Publication {
  const removed = fields.has("removed") && fields.bool("removed");
  return {
    channel,
    offset: fields.integer("offset"),
    time: fields.integer("time"),
    ...(fields.has("key") ? { key: fields.string("key") } : {}),
    ...(removed ? { removed } : {}),
    ...(fields.has("publisher") ? { publisher: fields.string("publisher") } : {}),
    data: fields.data(removed),
  };
}

function readHistory(fields: JsonFields): History {
  const channel = fields.string("channel");
  return {
    type: "history",
    id: fields.integer("id"),
    channel,
    publications: fields.array("publications").map((item) => readPublication(item, channel)),
    position: fields.position("position"),
    complete: fields.bool("complete"),
  };
}

function stringifyMember(member: Member): string {
  const head = JSON.stringify({ session: member.session });
  return member.info === undefined ? head : withPayload(head, "info", member.info);
}

function readMember(fields: JsonFields): Member {
  return {
    session: fields.string("session"),
    ...(fields.has("info") || fields.has("info64") ? { info: fields.payload("info") } : {}),
  };
}

function readConnected(fields: JsonFields): Connected {
  return {
    type: "connected",
    id: fields.integer("id"),
    session: fields.string("session"),
    ticket: fields.string("ticket"),
    resumed: fields.bool("resumed"),
    resumeWindowMs: fields.integer("resumeWindowMs"),
    pingIntervalMs: fields.integer("pingIntervalMs"),
    pingMisses: fields.integer("pingMisses"),
    reconnectSpreadMs: fields.integer("reconnectSpreadMs"),
    maxMessageBytes: fields.integer("maxMessageBytes"),
  };
}

function readSubscribed(fields: JsonFields): Subscribed {
  const delivery = fields.string("delivery");
  if (delivery !== "ordered" && delivery !== "latest") {
    throw new ProtocolError(`"delivery" must be "ordered" or "latest": "${delivery}"`);
  }
  return {
    type: "subscribed",
    id: fields.integer("id"),
    channel: fields.string("channel"),
    delivery,
    recovered: fields.bool("recovered"),
    position: fields.position("position"),
  };
}

const encoder = new TextEncoder();
