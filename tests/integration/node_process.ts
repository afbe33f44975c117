import { OPEN, serve } from "../../src/mod.ts";

/** A node in a process of its own. Arguments: Redis, and a folder for its certificate. */
const [url, developmentFolder] = Deno.args as [string, string];
const server = await serve({
  port: 0,
  developmentPort: 0,
  tls: { developmentFolder },
  redis: { url },
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
