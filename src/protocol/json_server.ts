import { decodeBase64 } from "./base64.ts";
import { withData, withField, withPayload } from "./json_payload.ts";
import type { Member, Publication, ServerMessage } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";
import { SERVER_SHAPES } from "./server_shapes.ts";

/** One line of JSON text, in UTF-8. */
export function encodeServerMessage(message: ServerMessage): Uint8Array {
  return encoder.encode(stringify(message));
}

/**
 * Takes the server at its word: all fields that a message needs must be there and payloads must be
 * payloads, but other values are not looked at, and what a newer server adds stays.
 *
 * @throws {ProtocolError} If `text` is not exactly one message.
 */
export function decodeServerMessage(text: string): ServerMessage {
  try {
    const message: Parsed = JSON.parse(text);
    revivePayloads(message);
    check(message);
    return message as unknown as ServerMessage;
  } catch {
    throw new ProtocolError(`A message of a server was expected: ${text.slice(0, 60)}`);
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

function stringifyMember(member: Member): string {
  const { info, ...rest } = member;
  const head = JSON.stringify(rest);
  return info === undefined ? head : withPayload(head, "info", info);
}

/** What JSON.parse() made; wherever it is something else than it should be, something throws. */
type Parsed = Record<string, unknown>;

function check(message: Parsed): void {
  const [, fields] = SERVER_SHAPES[message.type as ServerMessage["type"]];
  for (const [name, kind] of Object.entries<string>(fields)) {
    if (!kind.endsWith("?")) need(message, name);
  }
}

function need(parent: Parsed, name: string): void {
  if (parent[name] === undefined || parent[name] === null) throw new TypeError(name);
}

function revivePayloads(message: Parsed): void {
  switch (message.type) {
    case "publication":
      return revivePublication(message, message.channel);
    case "history":
      for (const item of message.publications as Parsed[]) revivePublication(item, message.channel);
      return;
    case "members":
      return (message.members as Parsed[]).forEach(reviveMember);
    case "join":
    case "leave":
      return reviveMember(message.member as Parsed);
    case "result":
      return revivePayload(message, "data");
  }
}

function revivePublication(publication: Parsed, channel: unknown): void {
  publication.channel = channel;
  revivePayload(publication, "data");
  // The empty payload of a removal was left out.
  if (publication.removed) publication.data ??= { format: "json", bytes: new Uint8Array(0) };
  for (const name of ["channel", "offset", "time", "data"]) need(publication, name);
}

function reviveMember(member: Parsed): void {
  revivePayload(member, "info");
}

function revivePayload(parent: Parsed, name: string): void {
  const base64 = parent[`${name}64`];
  if (base64 !== undefined) {
    parent[name] = { format: "binary", bytes: decodeBase64(base64 as string) };
    delete parent[`${name}64`];
  } else if (parent[name] !== undefined) {
    parent[name] = { format: "json", bytes: encoder.encode(JSON.stringify(parent[name])) };
  }
}

const encoder = new TextEncoder();
