import process from "node:process";
import { createInterface } from "node:readline";
import { subscribeWebTransport } from "./quic.ts";
import { StampReader, type Tally } from "./stamp.ts";
import {
  type Subscribe,
  subscribeSocketIo,
  subscribeSse,
  subscribeWebSocket,
  subscribeWs,
  type Target,
} from "./tcp.ts";

/**
 * The load client: all subscribers of one server in a process of their own, so that their work is
 * not the server's. Argument: a protocol; commands on stdin, answers on stdout, one JSON object a
 * line.
 *
 * - `{"subscribe":{"count":1000,"target":{…}}}` → `{"seconds"}`
 * - `{"begin":true}` → `{}`: forgets what was counted
 * - `{"report":{"expected":60000}}` → {@linkcode LoadReport}, once they are there or nothing comes
 */
export interface LoadReport {
  readonly deliveries: number;
  /** From `begin` to the last delivery. */
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type Protocol = "ws" | "socket.io" | "websocket" | "sse" | "webtransport";

const SUBSCRIBE: Record<Protocol, Subscribe> = {
  ws: subscribeWs,
  "socket.io": subscribeSocketIo,
  websocket: subscribeWebSocket,
  sse: subscribeSse,
  webtransport: subscribeWebTransport,
};

/** Subscribers that get going at once: enough that the server never waits, below its backlog. */
const CONCURRENCY = 64;
/** Subscribers whose latency is sampled, spread over all of them. */
const SAMPLED = 125;
/** What has not come by then was lost, in milliseconds. */
const QUIET_MS = 1000;

const tally = { deliveries: 0, latencies: [] as number[] } satisfies Tally;
const subscribe = SUBSCRIBE[process.argv[2] as Protocol];
let begun = performance.now();
let count = 0;

createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line);
  if (command.subscribe) answer(await subscribeAll(command.subscribe));
  else if (command.begin) {
    tally.deliveries = 0;
    tally.latencies = [];
    begun = performance.now();
    answer({});
  } else if (command.report) answer(await report(command.report.expected));
}).on("close", () => process.exit(0));
answer({ ready: true });

function answer(value: unknown): void {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function subscribeAll(order: { count: number; target: Target }) {
  const start = performance.now();
  const stride = Math.max(1, Math.floor(order.count / SAMPLED));
  let left = order.count;
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, left) }, async () => {
    while (left > 0) {
      left -= 1;
      await subscribe(order.target, new StampReader(tally, count++ % stride === 0));
    }
  }));
  return { seconds: (performance.now() - start) / 1000 };
}

async function report(expected: number): Promise<LoadReport> {
  let seen = -1;
  let changed = performance.now();
  while (tally.deliveries < expected) {
    if (tally.deliveries !== seen) {
      seen = tally.deliveries;
      changed = performance.now();
    } else if (performance.now() - changed > QUIET_MS) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const end = tally.deliveries < expected ? changed : performance.now();
  const sorted = tally.latencies.sort((a, b) => a - b);
  const quantile = (q: number) => sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;
  return {
    deliveries: tally.deliveries,
    seconds: (end - begun) / 1000,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}
