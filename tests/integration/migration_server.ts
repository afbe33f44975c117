import { OPEN, serve } from "../../src/mod.ts";

/**
 * A server at the near end of a link that never stops publishing: every 20 ms a number, in
 * `ordered:numbers`, and of one of eight keys in turn, in `latest:numbers`. It has a page, and
 * clients need not spread. Arguments: its address, and a folder for its certificate.
 */
const [hostname, developmentFolder] = Deno.args as [string, string];
const server = await serve({
  hostname,
  port: 0,
  developmentPort: false,
  tls: { developmentFolder },
  origins: { allowMissing: true },
  reconnectSpreadMs: 0,
  namespaces: {
    ordered: { permissions: OPEN },
    latest: { delivery: "latest", permissions: OPEN },
  },
  fetch: () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }),
});

let number = 0;
setInterval(() => {
  number++;
  server.publish("ordered:numbers", number).catch(reportError);
  server.publish("latest:numbers", number, { key: `key${number % 8}` }).catch(reportError);
}, 20);
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ url: server.url }) + "\n"));
