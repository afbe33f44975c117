import * as v from "valibot";

/** What requests and answers of the API look like: checked by it, and described by `openapi.ts`. */

const channel = v.pipe(v.string("a text"), v.minLength(1, "a channel's name"));
const key = v.pipe(v.string("a text"), v.maxLength(255, "a key of at most 255 characters"));

/** One publication: `data`, any JSON value, or `base64`, bytes. */
export const publicationSchema = v.strictObject({
  channel,
  /** Required in `latest` channels, forbidden in others. */
  key: v.optional(key),
  data: v.optional(v.unknown()),
  base64: v.optional(v.pipe(v.string("a text"), v.base64("bytes in base64"))),
}, "a publication of channel, key, and data or base64");

export const publishManySchema = v.strictObject({
  publications: v.array(publicationSchema, "a list of publications"),
}, "an object with publications");

export const removeSchema = v.strictObject({ channel, key }, "an object with channel and key");

/** What a query may have as a number. */
const numeral = (what: string, most: number) =>
  v.pipe(
    v.string(what),
    v.regex(/^\d{1,16}$/, what),
    v.transform(Number),
    v.maxValue(most, what),
  );

export const disconnectSchema = v.pipe(
  v.strictObject({
    /** One session by its name, or all of a user. */
    session: v.optional(v.string("a text")),
    user: v.optional(v.string("a text")),
    /** Its range says whether clients come back: 3000 to 3499 and 4000 to 4499 do. */
    code: v.optional(
      v.pipe(
        v.number("a close code"),
        v.check((code) => Number.isInteger(code) && code >= 3000 && code <= 4999, "3000 to 4999"),
      ),
    ),
    reason: v.optional(v.pipe(v.string("a text"), v.maxLength(120, "at most 120 characters"))),
  }, "an object with session or user, code and reason"),
  v.check(
    ({ session, user }) => (session === undefined) !== (user === undefined),
    "either session or user",
  ),
);

export const doneSchema = v.object({});

export const presenceSchema = v.strictObject({
  channel,
  /** Members at most, in count; 0 counts them only. */
  limit: v.optional(numeral("a limit of 0 to 500", 500), "500"),
}, "a query with channel and limit");

export const historySchema = v.pipe(
  v.strictObject({
    channel,
    /** Publications at most, in count. */
    limit: v.optional(numeral("a limit of 0 to 1000", 1000), "100"),
    /** With `offset`: only what came after this position. */
    epoch: v.optional(v.string("a text")),
    offset: v.optional(numeral("an offset", Number.MAX_SAFE_INTEGER)),
  }, "a query with channel, limit, epoch and offset"),
  v.check(
    ({ epoch, offset }) => (epoch === undefined) === (offset === undefined),
    "epoch and offset together",
  ),
);

export const positionSchema = v.object({ epoch: v.string(), offset: v.number() });

export const publishedSchema = v.object({ position: positionSchema });

export const problemSchema = v.object({
  type: v.literal("about:blank"),
  title: v.string(),
  status: v.number(),
  detail: v.string(),
});

/** One for each publication, in their order. */
export const publishedManySchema = v.object({
  results: v.array(v.union([publishedSchema, v.object({ problem: problemSchema })])),
});

export const membersSchema = v.object({
  /** How many there are, listed or not. */
  count: v.number(),
  members: v.array(v.object({
    session: v.string(),
    user: v.optional(v.string()),
    info: v.optional(v.unknown()),
  })),
});

export const historyPageSchema = v.object({
  publications: v.array(v.object({
    offset: v.number(),
    /** When the server took it, in milliseconds since 1970. */
    time: v.number(),
    key: v.optional(v.string()),
    publisher: v.optional(v.string()),
    data: v.optional(v.unknown()),
    base64: v.optional(v.string()),
  })),
  position: positionSchema,
  complete: v.boolean(),
});

/** The channels that have subscribers on the node that answers. */
export const channelsSchema = v.object({
  channels: v.array(v.object({
    channel: v.string(),
    subscribers: v.number(),
    dropped: v.number(),
    conflated: v.number(),
  })),
});

/** The node that answers. */
export const infoSchema = v.object({
  sessions: v.number(),
  transports: v.number(),
  channels: v.number(),
});
