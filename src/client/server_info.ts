import type { ServerInfo } from "../protocol/server_info.ts";
import { successful } from "./http_error.ts";

/**
 * Asks the server what there is (`GET /rt/info`), and for a place: it answers 503 and a
 * `Retry-After` if there is none. `resume`, a session and its ticket, gets one sooner.
 */
export async function fetchServerInfo(
  base: URL,
  signal: AbortSignal,
  resume?: string,
): Promise<ServerInfo> {
  const response = await fetch(new URL("/rt/info", base), {
    cache: "no-store",
    signal,
    ...(resume && { headers: { "slipstream-resume": resume } }),
  });
  const info: ServerInfo = await successful(response).json();
  if (info?.protocol !== "slipstream.v1" || !Array.isArray(info.transports)) {
    throw new Error(`A Slipstream server that speaks slipstream.v1 was expected: ${base.origin}`);
  }
  return info;
}
