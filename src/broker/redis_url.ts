import type { RedisOptions } from "../options.ts";

/** Where a Redis server is and how it is entered, in ioredis's words. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  readonly tls?: { readonly ca?: string };
}

/**
 * Reads `redis://user:password@host:port/db`, or `rediss://` for TLS.
 *
 * @throws {TypeError} If the text is no such URL; the error keeps the password to itself.
 */
export function parseRedisUrl(text: string, { ca }: RedisOptions, port = 6379): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const db = /^\/?(\d*)$/.exec(url?.pathname ?? "-")?.[1];
  if (url === undefined || db === undefined || !SCHEME.test(url.protocol) || url.hostname === "") {
    throw new TypeError(
      `A Redis URL must be redis://host:port or rediss://host:port: "${withoutPassword(text)}"`,
    );
  }
  return {
    // An IPv6 address stands in brackets, which only URLs have.
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? port : Number(url.port),
    ...(url.username !== "" && { username: decodeURIComponent(url.username) }),
    ...(url.password !== "" && { password: decodeURIComponent(url.password) }),
    db: Number(db),
    ...(url.protocol === "rediss:" && { tls: ca === undefined ? {} : { ca } }),
  };
}

/** How a server is called in errors and metrics: its address. */
export function addressName({ host, port }: RedisAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

const SCHEME = /^rediss?:$/;

function withoutPassword(text: string): string {
  return text.replace(/\/\/.*@/, "//…@");
}
