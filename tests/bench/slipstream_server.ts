import { OPEN, serve } from "../../src/mod.ts";
import { drive } from "./drive.mjs";

/**
 * Slipstream under test. Argument: the channel to publish in; its namespace says how it delivers.
 * Limits that keep one host from taking a node are lifted, since the load comes from one.
 */
const channel = Deno.args[0]!;
const folder = await Deno.makeTempDir({ prefix: "slipstream_bench_" });
const server = await serve({
  hostname: "127.0.0.1",
  port: 0,
  developmentPort: 0,
  tls: { developmentFolder: folder },
  admission: { ratePerSecond: Infinity, maxSessionsPerAddress: Infinity },
  limits: { address: { maxPublishesPerSecond: Infinity, maxBytesPerSecond: Infinity } },
  webtransport: { maxConnectionsPerAddress: 10_000 },
  namespaces: {
    ordered: { permissions: OPEN },
    // Longer than a round: a key that settles would count as two deliveries.
    latest: { delivery: "latest", settleMs: 60_000, permissions: OPEN },
  },
});
const keyed = channel.startsWith("latest:");
const certPem = await Deno.readTextFile(`${folder}/development.crt`);
await Deno.remove(folder, { recursive: true });

drive(
  { port: server.developmentPort!, webTransportPort: server.port, certPem },
  (text, index) => {
    // A key for each message of a turn: none replaces another.
    const options = keyed ? { key: `key${index}` } : {};
    server.publish(channel, text, options).catch(reportError);
  },
);
