import { OPEN, serve, type SlipstreamServer, type SlowSession } from "../../src/mod.ts";
import { drive } from "./drive.mjs";

/** What the server of `slow_run.ts` says of itself. */
export interface SlowServerState {
  readonly outcomes: Readonly<Record<SlowSession["outcome"], number>>;
  readonly pressure: SlipstreamServer["pressure"];
  readonly sessions: number;
  readonly transports: number;
  readonly memory: Deno.MemoryUsage;
}

/**
 * Slipstream under `slow_consumers.ts`. Argument: the channel; its namespace says what becomes of
 * who reads too slowly. Publishes 1 KiB instead of the 64 B of the other benchmarks.
 */
const channel = Deno.args[0]!;
const folder = await Deno.makeTempDir({ prefix: "slipstream_bench_" });
const outcomes: Record<SlowSession["outcome"], number> = {
  behind: 0,
  gap: 0,
  disconnect: 0,
  timeout: 0,
};
const server = await serve({
  hostname: "127.0.0.1",
  port: 0,
  developmentPort: 0,
  tls: { developmentFolder: folder },
  admission: { ratePerSecond: Infinity, maxSessionsPerAddress: Infinity },
  limits: { address: { maxPublishesPerSecond: Infinity, maxBytesPerSecond: Infinity } },
  webtransport: { maxConnectionsPerAddress: 10_000 },
  namespaces: {
    disconnect: { permissions: OPEN },
    gap: { overflow: "gap", permissions: OPEN },
    latest: { delivery: "latest", settleMs: 0, permissions: OPEN },
  },
  onSlow: ({ outcome }) => outcomes[outcome]++,
});
const keyed = channel.startsWith("latest:");
const certPem = await Deno.readTextFile(`${folder}/development.crt`);
await Deno.remove(folder, { recursive: true });

drive(
  { port: server.developmentPort!, webTransportPort: server.port, certPem },
  (text, index) => {
    const options = keyed ? { key: `key${index}` } : {};
    server.publish(channel, text.padEnd(1022, "0123456789abcdef"), options).catch(reportError);
  },
  (): SlowServerState => ({
    outcomes,
    pressure: server.pressure,
    sessions: server.sessions.count,
    transports: server.transports,
    memory: Deno.memoryUsage(),
  }),
);
