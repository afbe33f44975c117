import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as v from "valibot";
import type { HistoryPage, NewPublication } from "../broker/broker.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Member, Position } from "../protocol/message.ts";
import { equalSecrets } from "../session/secret.ts";
import { openApi } from "./openapi.ts";
import { API_DEFAULTS, type ApiOptions } from "./options.ts";
import { jsonOf, payloadFrom } from "../protocol/data_or_base64.ts";
import { type Problem, problem, problemOf, problemResponse } from "./problem.ts";
import {
  disconnectSchema,
  historySchema,
  presenceSchema,
  publicationSchema,
  publishManySchema,
  removeSchema,
} from "./schemas.ts";

/** What the API needs of its server; errors are `CommandError`s. */
export interface ApiHost {
  publish(publication: NewPublication): Promise<Position>;
  members(channel: string, limit: number): Promise<readonly Member[]>;
  memberCount(channel: string): Promise<number>;
  history(channel: string, query: { since?: Position; limit: number }): Promise<HistoryPage>;
  disconnect(
    target: { readonly session: string } | { readonly user: string },
    options: { readonly code?: number; readonly reason?: string },
  ): Promise<void>;
  /** The channels that have subscribers on this node. */
  channels(): Iterable<{
    readonly name: string;
    readonly subscribers: number;
    readonly dropped: number;
    readonly conflated: number;
  }>;
  info(): { readonly sessions: number; readonly transports: number; readonly channels: number };
  readonly onError: (error: unknown) => void;
}

/**
 * The HTTP API for backends: JSON in and out, errors by RFC 9457. `openapi.ts` describes it, and is
 * served at `/api/openapi.json`.
 *
 * It is no page's: a request with an `Origin` is refused, for a key in a page is everybody's.
 */
export function createApi(options: ApiOptions, host: ApiHost): Hono {
  const { keys, maxBodyBytes, maxBatch } = { ...API_DEFAULTS, ...options };
  const api = new Hono().basePath("/api");

  api.onError((error) => {
    const known = problemOf(error);
    if (known === undefined) host.onError(error);
    return problemResponse(known ?? problem(ErrorCode.INTERNAL, "Internal error"));
  });
  api.notFound((c) => problemResponse(problem(404, `There is no such resource: ${c.req.path}`)));

  api.get("/openapi.json", (c) => c.json(openApi));
  api.use(async (c, next) => {
    const refusal = refuse(c, keys);
    if (refusal === undefined) return await next();
    const challenge = refusal.status === 401 ? { "www-authenticate": "Bearer" } : undefined;
    return problemResponse(refusal, challenge);
  });
  api.use(bodyLimit({
    maxSize: maxBodyBytes,
    onError: () =>
      problemResponse(problem(413, `A body of at most ${maxBodyBytes} bytes was expected`)),
  }));

  api.post("/publish", async (c) => {
    const position = await host.publish(publicationFrom(await readBody(c, publicationSchema)));
    return answer(c, { position });
  });
  api.post("/publish-many", async (c) => {
    const { publications } = await readBody(c, publishManySchema);
    if (publications.length > maxBatch) {
      throw bad(`At most ${maxBatch} publications were expected: ${publications.length}`);
    }
    // All at once, in their order: the broker keeps it within each channel.
    const results = await Promise.all(publications.map(async (each) => {
      try {
        return { position: await host.publish(publicationFrom(each)) };
      } catch (error) {
        const known = problemOf(error);
        if (known === undefined) throw error;
        return { problem: known };
      }
    }));
    return answer(c, { results });
  });
  api.post("/remove", async (c) => {
    const { channel, key } = await readBody(c, removeSchema);
    const data = { format: "binary", bytes: new Uint8Array(0) } as const;
    return answer(c, { position: await host.publish({ channel, key, removed: true, data }) });
  });
  api.post("/disconnect", async (c) => {
    const { session, user, code, reason } = await readBody(c, disconnectSchema);
    const target = session === undefined ? { user: user! } : { session };
    await host.disconnect(target, {
      ...(code !== undefined && { code }),
      ...(reason !== undefined && { reason }),
    });
    return answer(c, {});
  });
  api.get("/presence", async (c) => {
    const { channel, limit } = readQuery(c, presenceSchema);
    const [members, count] = await Promise.all([
      host.members(channel, limit),
      host.memberCount(channel),
    ]);
    return answer(c, {
      count,
      members: members.map(({ info, ...member }) => ({
        ...member,
        ...(info !== undefined && { info: jsonOf(info).data }),
      })),
    });
  });
  api.get("/history", async (c) => {
    const { channel, limit, epoch, offset } = readQuery(c, historySchema);
    const since = epoch === undefined ? undefined : { epoch, offset: offset! };
    const page = await host.history(channel, { ...(since && { since }), limit });
    const publications = page.publications.map(({ channel: _, data, removed: __, ...rest }) => ({
      ...rest,
      ...jsonOf(data),
    }));
    return answer(c, { ...page, publications });
  });
  api.get("/channels", (c) => {
    const channels = Array.from(
      host.channels(),
      ({ name, subscribers, dropped, conflated }) => ({
        channel: name,
        subscribers,
        dropped,
        conflated,
      }),
    );
    return answer(c, { channels });
  });
  api.get("/info", (c) => answer(c, host.info()));
  return api;
}

function answer(c: Context, value: object): Response {
  return c.json(value, 200, { "cache-control": "no-store" });
}

function refuse(c: Context, keys: readonly string[]): Problem | undefined {
  if (c.req.header("origin") !== undefined) {
    return problem(403, "The API is for backends: a request without an Origin was expected");
  }
  const shown = /^Bearer +([^ ]+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (shown === undefined) {
    return problem(401, 'A key was expected: "Authorization: Bearer <key>"');
  }
  // All of them, so that the time does not tell which.
  const fits = keys.map((key) => equalSecrets(shown, key)).includes(true);
  return fits ? undefined : problem(401, "The key is not one of this server's");
}

async function readBody<Schema extends v.GenericSchema>(
  c: Context,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const type = c.req.header("content-type") ?? "none";
  if (!/^application\/json *(;|$)/i.test(type)) {
    throw new CommandError(415, `The content type application/json was expected: ${type}`);
  }
  let body: unknown;
  try {
    body = await c.req.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw bad(`A body of JSON was expected: ${error.message}`);
    throw error;
  }
  return check(schema, body);
}

function readQuery<Schema extends v.GenericSchema>(
  c: Context,
  schema: Schema,
): v.InferOutput<Schema> {
  return check(schema, c.req.query());
}

function check<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input, { abortPipeEarly: true });
  if (result.success) return result.output;
  const lines = result.issues.slice(0, MAX_ISSUES).map((issue) => {
    const path = v.getDotPath(issue);
    const expected = `${path === null ? "" : `${path}: `}${issue.message} was expected`;
    return `${expected}: ${issue.received}`;
  });
  throw bad(lines.join("; "));
}

/** A batch may be wrong in each of its items: the first say enough. */
const MAX_ISSUES = 5;

function publicationFrom(
  { channel, key, ...payload }: v.InferOutput<typeof publicationSchema>,
): NewPublication {
  return { channel, ...(key !== undefined && { key }), data: payloadFrom(payload) };
}

function bad(message: string): CommandError {
  return new CommandError(ErrorCode.BAD_REQUEST, message);
}
