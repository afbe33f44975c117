import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  HistoryQuery,
  PresenceQuery,
  Publication,
  Rpc,
  ServerMessage,
} from "../protocol/message.ts";
import type { Rights } from "./rights/rights.ts";
import type { SessionContext } from "./session_context.ts";
import type { SessionInfo } from "./session_info.ts";

/** Who asks. */
export interface QueryingSession extends SessionInfo {
  readonly rights: Rights;
}

/** Answers who is in a channel. */
export async function queryPresence(
  { hub }: SessionContext,
  { rights }: QueryingSession,
  { id, channel }: PresenceQuery,
): Promise<ServerMessage> {
  const asked = rights.require("presence", channel);
  // At once where nobody is asked: what the client says next must not overtake it.
  if (asked !== undefined) await asked;
  return { type: "members", id, channel, members: await hub.members(channel) };
}

/** Answers what is kept of a channel, as much of it as a quarter of the session's queue holds. */
export async function queryHistory(
  { hub, options }: SessionContext,
  { rights }: QueryingSession,
  { id, channel, since, limit }: HistoryQuery,
): Promise<ServerMessage> {
  const asked = rights.require("history", channel);
  if (asked !== undefined) await asked;
  const page = await hub.history(channel, { ...(since && { since }), limit });
  const publications = cut(page.publications, options.maxQueueBytes / 4, since === undefined);
  return { type: "history", id, channel, ...page, publications };
}

/** Answers a call by the app's hook, or else by the method that has this name. */
export async function callMethod(
  { rpc, hooks }: SessionContext,
  session: QueryingSession,
  { id, method, data }: Rpc,
): Promise<ServerMessage> {
  if (hooks.onRpc !== undefined) {
    const answer = await session.rights.askRpc(method, data);
    if (answer !== undefined) return { type: "result", id, data: answer };
  }
  const handler = Object.hasOwn(rpc, method) ? rpc[method] : undefined;
  if (handler === undefined) {
    throw new CommandError(ErrorCode.NOT_FOUND, `There is no method: "${method}"`);
  }
  return { type: "result", id, data: await handler(data, session) };
}

/** As many publications as have `mostBytes`, and at least one: the newest, or the oldest. */
function cut(
  publications: readonly Publication[],
  mostBytes: number,
  newest: boolean,
): readonly Publication[] {
  let bytes = 0;
  for (let count = 0; count < publications.length; count++) {
    const at = newest ? publications.length - 1 - count : count;
    // JSON takes a third more for base64, and some fields around it.
    bytes += publications[at]!.data.bytes.byteLength * 4 / 3 + 200;
    if (bytes <= mostBytes || count === 0) continue;
    return newest ? publications.slice(-count) : publications.slice(0, count);
  }
  return publications;
}
