/**
 * One end of a session in a process of its own, which a test can stop or cut off from its network:
 *
 * - `clients <url>`: three clients, each over one transport, quiet and watched; prints a line such
 *   as `websocket connected <session>` whenever the state of one changes.
 * - `server <certificate's folder>`: a server; prints its URL.
 */

import { connect } from "../../src/client/mod.ts";
import { serve } from "../../src/mod.ts";
import { HEARTBEAT } from "./heartbeat.ts";

const [role, argument] = Deno.args;
if (role === "clients") runClients(argument!);
else await runServer(argument!);

function runClients(url: string): void {
  for (const kind of ["webtransport", "websocket", "sse"] as const) {
    const client = connect(url, { transports: [kind] });
    client.closed.catch(() => {});
    client.on("state", (state) => print(`${kind} ${state} ${client.session}`));
  }
}

async function runServer(developmentFolder: string): Promise<void> {
  const server = await serve({
    port: 0,
    developmentPort: 0,
    tls: { developmentFolder },
    origins: { allowMissing: true },
    heartbeat: HEARTBEAT,
    reconnectSpreadMs: 0,
  });
  print(server.developmentUrl!);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
