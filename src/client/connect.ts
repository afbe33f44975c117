import type { Client, ConnectOptions } from "./client.ts";
import { Core } from "./core.ts";
import { systemEnvironment } from "./environment.ts";

/**
 * Connects to the Slipstream server at `url`, of which only the origin counts; a page may give a
 * relative one. Returns at once: calls wait until the client is connected, and it comes back by
 * itself until it is closed.
 *
 * @throws {TypeError} If `url` is no URL, or `options.info` no JSON value.
 */
export function connect(url: string | URL, options?: ConnectOptions): Client {
  const base = new URL(url, globalThis.location?.href);
  base.protocol = base.protocol.replace("ws", "http");
  return new Core(base, options ?? {}, systemEnvironment());
}
