import fc from "fast-check";
import type {
  ClientMessage,
  Member,
  Payload,
  Position,
  Publication,
  ServerMessage,
} from "../../src/protocol/message.ts";

/** Arbitrary messages of both unions, every field and every option of it. */

const encoder = new TextEncoder();

const text = fc.string({ unit: "grapheme", maxLength: 90 });
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const code = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const position: fc.Arbitrary<Position> = fc.record({ epoch: text, offset: count });

/** JSON payloads in the form that `JSON.stringify` gives, so that both dialects keep every byte. */
const payload: fc.Arbitrary<Payload> = fc.oneof(
  fc.jsonValue().map((value): Payload => ({
    format: "json",
    // Once through JSON: it knows no negative zero.
    bytes: encoder.encode(JSON.stringify(JSON.parse(JSON.stringify(value)))),
  })),
  fc.uint8Array({ maxLength: 200 }).map((bytes): Payload => ({ format: "binary", bytes })),
);

const noData: Payload = { format: "json", bytes: new Uint8Array(0) };

const member: fc.Arbitrary<Member> = fc.record({ session: text, user: text, info: payload }, {
  requiredKeys: ["session"],
});

function publicationOf(channel: fc.Arbitrary<string>): fc.Arbitrary<Publication> {
  const required = { channel, offset: count, time: count };
  return fc.oneof(
    fc.record({ ...required, key: text, publisher: text, data: payload }, {
      requiredKeys: ["channel", "offset", "time", "data"],
    }),
    fc.record({
      ...required,
      key: text,
      publisher: text,
      removed: fc.constant(true as const),
      data: fc.constant(noData),
    }, { requiredKeys: ["channel", "offset", "time", "key", "removed", "data"] }),
  );
}

export const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record({
    type: fc.constant("connect" as const),
    id,
    info: payload,
    token: text,
    resume: fc.record({
      session: text,
      ticket: text,
      positions: fc.array(fc.record({ channel: text, epoch: text, offset: count }), {
        maxLength: 5,
      }),
    }),
  }, { requiredKeys: ["type", "id"] }),
  fc.record({
    type: fc.constant("subscribe" as const),
    id,
    channel: text,
    token: text,
    keys: fc.array(text, { maxLength: 5 }),
    position,
  }, { requiredKeys: ["type", "id", "channel"] }),
  fc.record({
    type: fc.constant("track" as const),
    id,
    channel: text,
    add: fc.array(text, { maxLength: 5 }),
    remove: fc.array(text, { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant("seen" as const),
    newest: count,
    missing: fc.array(count, { maxLength: 5 }),
  }),
  fc.record({ type: fc.constant("age" as const), channel: text, ageMs: count }),
  fc.record({ type: fc.constant("unsubscribe" as const), id, channel: text }),
  fc.record({
    type: fc.constant("publish" as const),
    id: count,
    channel: text,
    key: text,
    data: payload,
  }, { requiredKeys: ["type", "id", "channel", "data"] }),
  fc.record({
    type: fc.constant("publish" as const),
    id: count,
    channel: text,
    key: text,
    removed: fc.constant(true as const),
    data: fc.constant(noData),
  }),
  fc.record({ type: fc.constant("presence" as const), id, channel: text }),
  fc.record({
    type: fc.constant("history" as const),
    id,
    channel: text,
    since: position,
    limit: count,
  }, { requiredKeys: ["type", "id", "channel", "limit"] }),
  fc.record({ type: fc.constant("rpc" as const), id, method: text, data: payload }),
  fc.record({ type: fc.constant("refresh" as const), id, token: text }),
  fc.record({ type: fc.constant("ping" as const), id: count }),
  fc.record({ type: fc.constant("pong" as const), id: count }),
  fc.constant<ClientMessage>({ type: "leave" }),
).map(plain);

export const serverMessage: fc.Arbitrary<ServerMessage> = fc.oneof(
  publicationOf(text).map((publication): ServerMessage => ({
    type: "publication",
    ...publication,
  })),
  fc.record({
    type: fc.constant("connected" as const),
    id,
    session: text,
    ticket: text,
    resumed: fc.boolean(),
    resumeWindowMs: count,
    pingIntervalMs: count,
    pingMisses: count,
    reconnectSpreadMs: count,
    maxMessageBytes: count,
    expiresInMs: count,
  }, {
    requiredKeys: [
      "type",
      "id",
      "session",
      "ticket",
      "resumed",
      "resumeWindowMs",
      "pingIntervalMs",
      "pingMisses",
      "reconnectSpreadMs",
      "maxMessageBytes",
    ],
  }),
  fc.record({
    type: fc.constant("subscribed" as const),
    id: count,
    channel: text,
    delivery: fc.constantFrom("ordered" as const, "latest" as const),
    position,
    recovered: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("unsubscribed" as const),
    id: count,
    channel: text,
    code,
    reason: text,
  }),
  fc.record({ type: fc.constant("tracked" as const), id: count, channel: text }),
  fc.record({ type: fc.constant("published" as const), id, position }),
  fc.record({
    type: fc.constant("members" as const),
    id,
    channel: text,
    members: fc.array(member, { maxLength: 5 }),
  }),
  text.chain((channel) =>
    fc.record({
      type: fc.constant("history" as const),
      id,
      channel: fc.constant(channel),
      publications: fc.array(publicationOf(fc.constant(channel)), { maxLength: 5 }),
      position,
      complete: fc.boolean(),
    })
  ),
  fc.record({ type: fc.constant("result" as const), id, data: payload }),
  fc.record({ type: fc.constant("refreshed" as const), id, expiresInMs: count }, {
    requiredKeys: ["type", "id"],
  }),
  fc.record({ type: fc.constant("error" as const), id, code, message: text }),
  fc.record({ type: fc.constant("gap" as const), channel: text, position, missed: count }, {
    requiredKeys: ["type", "channel", "position"],
  }),
  fc.record({ type: fc.constantFrom("join" as const, "leave" as const), channel: text, member }),
  fc.record({ type: fc.constant("ping" as const), id: count }),
  fc.record({ type: fc.constant("pong" as const), id: count, time: count }, {
    requiredKeys: ["type", "id"],
  }),
  fc.record({ type: fc.constant("mark" as const), number: count }),
  fc.record({ type: fc.constant("drain" as const), delayMs: count }),
  fc.record({ type: fc.constant("close" as const), code, reason: text }),
).map(plain);

/** fast-check makes objects without a prototype, which no strict comparison takes for ours. */
function plain<Message>(message: Message): Message {
  return structuredClone(message);
}

/** Every type of the client's union, so that a test can tell that none was left out. */
export const CLIENT_TYPES: readonly ClientMessage["type"][] = [
  "connect",
  "subscribe",
  "unsubscribe",
  "track",
  "publish",
  "presence",
  "history",
  "rpc",
  "refresh",
  "ping",
  "pong",
  "seen",
  "age",
  "leave",
];

/** Every type of the server's union. */
export const SERVER_TYPES: readonly ServerMessage["type"][] = [
  "publication",
  "connected",
  "subscribed",
  "unsubscribed",
  "tracked",
  "published",
  "members",
  "history",
  "result",
  "refreshed",
  "error",
  "gap",
  "join",
  "leave",
  "ping",
  "pong",
  "mark",
  "drain",
  "close",
];
