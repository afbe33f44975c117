import { parseArgs } from "node:util";
import { TestRedis } from "../../broker/redis_server.ts";
import { installPeers } from "../peers.ts";
import { positive } from "../positive.ts";
import { median, table } from "../report.ts";
import {
  type Contender,
  type Cost,
  cost,
  type Growth,
  growth,
  type Latency,
  latency,
  saturation,
  SLIPSTREAM,
  SOCKET_IO,
} from "./measure.ts";

const USAGE = `deno task bench:redis [options]
  --quick                 about a minute and a half: a second each, no 50,000 channels
  --seconds <count>       of each measurement (2)
  --rounds <count>        rounds, each with both servers (3; with --quick 1)
  --subscribers <count>   on the other node, where deliveries are paid for (500)
`;

const { values: options } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    seconds: { type: "string" },
    rounds: { type: "string" },
    subscribers: { type: "string", default: "500" },
  },
});

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const progress = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));

interface Measured {
  readonly one: Latency;
  readonly two: Latency;
  readonly cost: Cost;
  readonly saturation: number;
}

if (options.help) print(USAGE);
else await bench();

async function bench(): Promise<void> {
  const seconds = positive("seconds", options.seconds ?? (options.quick ? "1" : "2"));
  const rounds = positive("rounds", options.rounds ?? (options.quick ? "1" : "3"));
  const subscribers = positive("subscribers", options.subscribers);
  const peers = installPeers();
  const redis = await TestRedis.start();
  try {
    const contenders = [...("missing" in peers ? [] : [SOCKET_IO]), SLIPSTREAM];
    const measured = new Map<Contender, Measured[]>(contenders.map((each) => [each, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const contender of contenders) {
        progress(`round ${round} of ${rounds}: ${contender.name}`);
        measured.get(contender)!.push({
          one: await latency(contender, redis.url, 1, seconds),
          two: await latency(contender, redis.url, 2, seconds),
          cost: await cost(contender, redis.url, subscribers, seconds),
          saturation: await saturation(contender, redis.url, seconds),
        });
      }
    }
    const byChannels = new Map<number, Growth>();
    for (const channels of options.quick ? [1, 100, 10_000] : [1, 100, 10_000, 50_000]) {
      progress(`${channels} channels on two nodes`);
      byChannels.set(channels, await growth(redis.url, 2, channels, seconds));
    }
    const byNodes = new Map<number, Growth>();
    for (const nodes of [1, 2, 3, 4]) {
      progress(`${nodes} nodes`);
      byNodes.set(nodes, await growth(redis.url, nodes, 1, seconds));
    }
    report(measured, byChannels, byNodes, subscribers);
    if ("missing" in peers) print(`\nNo peer: ${peers.missing}`);
  } finally {
    await redis.stop();
  }
}

function report(
  measured: ReadonlyMap<Contender, readonly Measured[]>,
  byChannels: ReadonlyMap<number, Growth>,
  byNodes: ReadonlyMap<number, Growth>,
  subscribers: number,
): void {
  print(`\nPublisher on one node, ${subscribers} subscribers over WebSocket on another, 64 B`);
  print(table([
    ["", "one node p50", "p99", "two nodes p50", "p99", "CPU µs a delivery", "published /s"],
    ...Array.from(measured, ([{ name }, rounds]) => [
      name,
      median(rounds.map(({ one }) => one.p50Ms)).toFixed(2),
      median(rounds.map(({ one }) => one.p99Ms)).toFixed(2),
      median(rounds.map(({ two }) => two.p50Ms)).toFixed(2),
      median(rounds.map(({ two }) => two.p99Ms)).toFixed(2),
      median(rounds.map(({ cost }) => cost.microsPerDelivery)).toFixed(2),
      median(rounds.map(({ saturation }) => saturation)).toFixed(0),
    ]),
  ]));
  print("\nAll nodes listen, one publishes 2,000 a second: CPU of all nodes");
  const growthRow = (label: string, { microsPerPublication, p99Ms }: Growth) => [
    label,
    microsPerPublication.toFixed(1),
    p99Ms.toFixed(2),
  ];
  print(table([
    ["", "µs a publication", "p99 ms"],
    ...Array.from(byChannels, ([count, each]) => growthRow(`${count} channels, 2 nodes`, each)),
    ...Array.from(byNodes, ([count, each]) => growthRow(`1 channel, ${count} nodes`, each)),
  ]));
  print("\nTargets");
  const ours = measured.get(SLIPSTREAM)!;
  const added = median(ours.map(({ one, two }) => two.p99Ms - one.p99Ms));
  print(verdict("p99 added by the second node, ms", added, added < 2, "under 2"));
  const theirs = measured.get(SOCKET_IO);
  if (theirs === undefined) return;
  // Within each round: what slows the machine slows both.
  const ratio = median(
    ours.map(({ cost }, round) =>
      cost.deliveriesPerCpuSecond / theirs[round]!.cost.deliveriesPerCpuSecond
    ),
  );
  print(verdict("deliveries a CPU second, × socket.io", ratio, ratio >= 3, "at least 3"));
}

function verdict(name: string, figure: number, met: boolean, limit: string): string {
  return `  ${(met ? "met" : "NOT met").padEnd(8)} ${name}: ${figure.toFixed(2)}, ${limit}`;
}
