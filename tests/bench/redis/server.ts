import { OPEN, serve } from "../../../src/mod.ts";
import { drive } from "../drive.mjs";
import { StampReader, type Tally } from "../load/stamp.ts";

/**
 * A node under test. Arguments: Redis' URL, over how many channels it spreads what it publishes, and
 * whether it listens to them itself: `listen` or `publish`.
 */
const [url, channelsText, role] = Deno.args as [string, string, string];
const channels = Number(channelsText);
const folder = await Deno.makeTempDir({ prefix: "slipstream_bench_" });
const server = await serve({
  hostname: "127.0.0.1",
  port: 0,
  developmentPort: 0,
  tls: { developmentFolder: folder },
  redis: { url },
  admission: { ratePerSecond: Infinity, maxSessionsPerAddress: Infinity },
  // Far more than anybody reads is published at once: nobody is to be sent away for it.
  session: { maxQueueBytes: 2 ** 30 },
  // Socket.IO's adapter keeps no history either.
  namespaces: { ordered: { permissions: OPEN, historySize: 0 } },
});
await Deno.remove(folder, { recursive: true });

const latencies: number[] = [];
const tally: Tally & { deliveries: number } = { deliveries: 0, latencies };
let published = 0;
let failed = 0;

const nameOf = (at: number) => channels === 1 ? "ordered:bench" : `ordered:bench${at}`;

if (role === "listen") {
  const reader = new StampReader(tally, true);
  const onPublication = ({ data }: { data: { bytes: Uint8Array } }) =>
    reader.read(data.bytes, data.bytes.length);
  for (let at = 0; at < channels; at += 500) {
    const count = Math.min(500, channels - at);
    await Promise.all(
      Array.from({ length: count }, (_, i) => server.subscribe(nameOf(at + i), { onPublication })),
    );
  }
}

drive({ port: server.developmentPort! }, (text) => {
  server.publish(nameOf(published++ % channels), text).catch(() => failed++);
}, () => {
  const sorted = latencies.splice(0).sort((a, b) => a - b);
  const quantile = (q: number) => sorted[Math.ceil(q * sorted.length) - 1] ?? NaN;
  const state = { received: tally.deliveries, p50Ms: quantile(0.5), p99Ms: quantile(0.99), failed };
  tally.deliveries = 0;
  failed = 0;
  return state;
});
