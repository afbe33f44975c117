import { OPEN, serve, type ServerOptions } from "../../src/mod.ts";

/** A node in a process of its own. Arguments: Redis, a folder for its certificate, more options. */
const [url, developmentFolder, more = "{}"] = Deno.args as [string, string, string?];
const options = JSON.parse(more) as Pick<ServerOptions, "auth" | "limits" | "redis">;
const server = await serve({
  port: 0,
  developmentPort: 0,
  tls: { developmentFolder },
  ...options,
  redis: { ...options.redis, url },
  origins: { allowMissing: true },
  reconnectSpreadMs: 0,
  namespaces: {
    chat: { presence: true, permissions: OPEN },
    points: { delivery: "latest", permissions: OPEN },
  },
});
Deno.stdout.writeSync(
  new TextEncoder().encode(JSON.stringify({ url: server.developmentUrl }) + "\n"),
);
