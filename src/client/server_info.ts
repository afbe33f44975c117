import type { ServerInfo } from "../protocol/server_info.ts";
import { successful } from "./http_error.ts";

/** Asks the server what there is (`GET /rt/info`). */
export async function fetchServerInfo(base: URL, signal: AbortSignal): Promise<ServerInfo> {
  const response = await fetch(new URL("/rt/info", base), { cache: "no-store", signal });
  const info: ServerInfo = await successful(response).json();
  if (info?.protocol !== "slipstream.v1" || !Array.isArray(info.transports)) {
    throw new Error(`A Slipstream server that speaks slipstream.v1 was expected: ${base.origin}`);
  }
  return info;
}
