/**
 * What the relay of the PROXY protocol costs: a server that takes it beside one that does not, with
 * the same subscribers over SSE and TLS, in turns.
 *
 * Usage: `deno run -A tests/bench/relay/main.ts`, some 40 seconds.
 */

import { Child } from "../child.ts";
import { StampReader } from "../load/stamp.ts";

const SUBSCRIBERS = 200;
const LOAD = { perTurn: 1, everyMs: 20, turns: 200 };
const WARM_UP = { perTurn: 1, everyMs: 20, turns: 50 };
const ROUNDS = 3;
const HEADER = "PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n";

interface Round {
  readonly kbEach: number;
  readonly microsPerDelivery: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function measure(way: "direct" | "relay"): Promise<Round> {
  const server = new Child([
    ...[Deno.execPath(), "run", "-A", "--no-check", "--unstable-net"],
    ...[new URL("server.ts", import.meta.url).pathname, way],
  ]);
  const conns: Deno.TlsConn[] = [];
  try {
    const { port, certPem } = await server.ask<{ port: number; certPem: string }>();
    const bytesBefore = server.residentBytes();
    const latencies: number[] = [];
    const tally = { deliveries: 0, latencies };
    for (let count = 0; count < SUBSCRIBERS; count++) {
      const conn = await subscribe(port, certPem, way === "relay" ? HEADER : "");
      conns.push(conn);
      readOn(conn, new StampReader(tally, true)).catch(() => {});
    }
    const kbEach = (server.residentBytes() - bytesBefore) / 1000 / SUBSCRIBERS;
    await server.ask({ publish: WARM_UP });
    await quiet(tally);
    latencies.length = 0;
    const cpuBefore = server.cpuMicros();
    await server.ask({ publish: LOAD });
    await quiet(tally);
    const expected = LOAD.turns * SUBSCRIBERS;
    if (latencies.length !== expected) {
      throw new Error(`All deliveries were expected: ${latencies.length} of ${expected}`);
    }
    const microsPerDelivery = (server.cpuMicros() - cpuBefore) / expected;
    latencies.sort((a, b) => a - b);
    const at = (part: number) => latencies[Math.floor(part * latencies.length)]!;
    return { kbEach, microsPerDelivery, p50Ms: at(0.5), p99Ms: at(0.99) };
  } finally {
    for (const conn of conns) conn.close();
    await server.end();
  }
}

async function subscribe(port: number, certPem: string, first: string): Promise<Deno.TlsConn> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  const encoder = new TextEncoder();
  if (first !== "") await tcp.write(encoder.encode(first));
  const tls = await Deno.startTls(tcp, { hostname: "localhost", caCerts: [certPem] });
  const path = "/rt/sse?channel=ordered:bench";
  await tls.write(encoder.encode(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`));
  return tls;
}

async function readOn(conn: Deno.TlsConn, reader: StampReader): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let read; (read = await conn.read(buffer)) !== null;) reader.read(buffer, read);
}

/** Resolves once nothing has come for a while: publications may be under way when they are said. */
async function quiet(tally: { readonly deliveries: number }): Promise<void> {
  for (let last = -1; tally.deliveries !== last;) {
    last = tally.deliveries;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const rounds: Record<"direct" | "relay", Round[]> = { direct: [], relay: [] };
for (let round = 0; round < ROUNDS; round++) {
  for (const way of ["direct", "relay"] as const) rounds[way].push(await measure(way));
}
const median = (way: "direct" | "relay", figure: keyof Round) =>
  rounds[way].map((round) => round[figure]).sort((a, b) => a - b)[ROUNDS >> 1]!;
const rows = (["microsPerDelivery", "p50Ms", "p99Ms", "kbEach"] as const).map((figure) => {
  const [direct, relay] = [median("direct", figure), median("relay", figure)];
  return [figure, direct.toFixed(2), relay.toFixed(2), (relay / direct).toFixed(2)].join("\t");
});
const table = ["figure\tdirect\trelay\tratio", ...rows].join("\n");
Deno.stdout.writeSync(new TextEncoder().encode(`${table}\n`));
