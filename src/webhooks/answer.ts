import * as v from "valibot";
import { type JsonPayload, payloadFrom } from "../protocol/data_or_base64.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Payload } from "../protocol/message.ts";
import type { ConnectChanges, PublishChanges } from "../session/hooks.ts";
import type { WebhookData } from "./delivery.ts";

/** A backend's no. */
export interface WebhookRefusal {
  readonly refuse: {
    /**
     * One of HTTP's from 400 to 599, or a close code of 3000 to 4999: for a client that connects, its
     * range says whether it comes back.
     * @default 403
     */
    readonly code?: number;
    /** What the client is told. */
    readonly message?: string;
  };
}

/** What a backend may answer to `connect`: what it knows better of the client. */
export type ConnectAnswer = WebhookRefusal | {
  readonly user?: string;
  /** Any JSON value; what others see of it in presence. */
  readonly info?: unknown;
};

/** What a backend may answer to `subscribe`. */
export type SubscribeAnswer = WebhookRefusal | Readonly<Record<string, never>>;

/** What a backend may answer to `publish`: what is published in place of what the client sent. */
export type PublishAnswer = WebhookRefusal | WebhookData;

/** What a backend may answer to `rpc`; without data it leaves the method to others. */
export type RpcAnswer = WebhookRefusal | WebhookData;

/** What was answered is not what was expected. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
}

/**
 * Reads the answer to `connect`; so do the others for theirs. No bytes are an answer too: yes.
 *
 * @throws {CommandError} If it refuses.
 * @throws {AnswerError} If it is none. It may be long: what it has is not told.
 */
export function readConnectAnswer(body: Uint8Array): ConnectChanges {
  const { user, info } = read(connectSchema, body);
  return {
    ...(user !== undefined && { user }),
    ...(info !== undefined && { info: payloadOf({ data: info })! }),
  };
}

export function readSubscribeAnswer(body: Uint8Array): void {
  read(subscribeSchema, body);
}

export function readPublishAnswer(body: Uint8Array): PublishChanges {
  const data = payloadOf(read(dataSchema, body));
  return data === undefined ? {} : { data };
}

export function readRpcAnswer(body: Uint8Array): Payload | undefined {
  return payloadOf(read(dataSchema, body));
}

const refuse = v.optional(v.strictObject({
  code: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.check((code) => code >= 400 && code < 600 || code >= 3000 && code < 5000),
    ),
    ErrorCode.FORBIDDEN,
  ),
  message: v.optional(v.pipe(v.string(), v.maxLength(500)), "The backend refuses"),
}));

// Strict: a misspelt refusal must not be a yes.
const connectSchema = v.strictObject({
  refuse,
  user: v.optional(v.pipe(v.string(), v.minLength(1))),
  info: v.optional(v.unknown()),
});
const subscribeSchema = v.strictObject({ refuse });
const dataSchema = v.strictObject({
  refuse,
  data: v.optional(v.unknown()),
  base64: v.optional(v.pipe(v.string(), v.base64())),
});

type AnswerSchema = typeof connectSchema | typeof subscribeSchema | typeof dataSchema;

function read<Schema extends AnswerSchema>(
  schema: Schema,
  body: Uint8Array,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, body.length === 0 ? {} : parse(body), { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw new AnswerError(`not the JSON that was expected, at "${v.getDotPath(issue) ?? ""}"`);
  }
  const { refuse } = result.output;
  if (refuse !== undefined) throw new CommandError(refuse.code, refuse.message);
  return result.output;
}

function parse(body: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch {
    throw new AnswerError(`no JSON, of ${body.length} bytes`);
  }
  // A list without elements would pass for an object without fields.
  if (Array.isArray(value)) throw new AnswerError("a list");
  return value;
}

function payloadOf(answer: JsonPayload): Payload | undefined {
  if (answer.data === undefined && answer.base64 === undefined) return undefined;
  try {
    return payloadFrom(answer);
  } catch {
    throw new AnswerError("not either data or base64");
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });
