import { OPEN, serve } from "../../src/mod.ts";

/**
 * The server of the real storm. Argument: {@linkcode StormServerOptions} as JSON; says its ports in
 * one line and serves until it is killed. Limits for one address are lifted, since all clients have
 * the same.
 */
export interface StormServerOptions {
  readonly folder: string;
  /** 0 takes free ports. */
  readonly port: number;
  readonly developmentPort: number;
  /** New sessions a second; `null` where nobody is refused. */
  readonly ratePerSecond: number | null;
  readonly reconnectSpreadMs: number;
}

const { folder, ratePerSecond, ...ports }: StormServerOptions = JSON.parse(Deno.args[0]!);
const server = await serve({
  hostname: "127.0.0.1",
  ...ports,
  tls: { developmentFolder: folder },
  origins: { allowMissing: true },
  admission: {
    ratePerSecond: ratePerSecond ?? Infinity,
    ratePerSecondPerAddress: Infinity,
    maxSessionsPerAddress: Infinity,
  },
  webtransport: { maxConnectionsPerAddress: 10_000 },
  // A killed server says nothing over QUIC: its clients find out by their heartbeat, in 6 s.
  heartbeat: { intervalMs: 3000, misses: 1 },
  namespaces: { storm: { permissions: OPEN } },
  log: () => {},
});
const { port, developmentPort } = server;
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ port, developmentPort }) + "\n"));
await server.finished;
