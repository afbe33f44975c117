import { parseArgs } from "node:util";
import { Link } from "../../link/link.ts";
import { installPeers } from "../peers.ts";
import { positive } from "../positive.ts";
import { chart } from "./chart.ts";
import {
  type Contender,
  type Freshness,
  freshness,
  type Run,
  type Settling,
  settling,
} from "./measure.ts";
import { targetLine } from "../report.ts";
import { freshnessTable, settlingTable, targets } from "./report.ts";

const USAGE = `deno task bench:loss [options]
  --quick                about two minutes: no loss and 5 %, and half of the time each
  --seconds <count>      of updates, for each server and loss (12)
  --subscribers <count>  of each server (4)
  --rtt <ms>             round-trip time of the link (50)
  --seed <number>        of what the link loses (1)
  --congestion <name>    TCP's congestion control, as "cubic" (the machine's)
  --out <folder>         where the chart goes (a new temporary folder)
`;

const { values: options } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    seconds: { type: "string" },
    subscribers: { type: "string", default: "4" },
    rtt: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    congestion: { type: "string" },
    out: { type: "string" },
  },
});

const OURS: readonly Contender[] = [
  { name: "latest, WebTransport", way: "webtransport", channel: "latest:one" },
  { name: "latest, WebSocket", way: "websocket", channel: "latest:one" },
  { name: "ordered, WebTransport", way: "webtransport", channel: "ordered:one" },
  { name: "ordered, WebSocket", way: "websocket", channel: "ordered:one" },
];
const PEERS: readonly Contender[] = [
  { name: "ws on Node", way: "ws" },
  { name: "socket.io on Node", way: "socket.io" },
];
const MANY_KEYS: Contender = { name: "many keys", way: "webtransport", channel: "latest:many" };
/** The namespace option's default. */
const SETTLE_MS = 250;

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const progress = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));

if (options.help) print(USAGE);
else await bench();

async function bench(): Promise<void> {
  const obstacle = await Link.obstacle();
  if (obstacle !== undefined) throw new Error(`A link cannot be made: ${obstacle}`);
  const losses = options.quick ? [0, 0.05] : [0, 0.01, 0.02, 0.05];
  const common: Omit<Run, "loss"> = {
    rttMs: positive("rtt", options.rtt),
    seconds: positive("seconds", options.seconds ?? (options.quick ? "6" : "12")),
    subscribers: positive("subscribers", options.subscribers),
    seed: positive("seed", options.seed),
    congestion: options.congestion,
  };
  const peers = installPeers();
  const contenders = [...OURS, ...("missing" in peers ? [] : PEERS)];

  const ages = new Map<Contender, Freshness[]>(contenders.map((each) => [each, []]));
  const settled: Settling[] = [];
  for (const loss of losses) {
    for (const contender of contenders) {
      progress(`${loss * 100} % loss: ${contender.name}`);
      ages.get(contender)!.push(await freshness(contender, { ...common, loss }));
    }
    progress(`${loss * 100} % loss: last values`);
    settled.push(await settling(MANY_KEYS, { ...common, loss }));
  }

  print(
    `\nAge of 64 B updates, 60 a second, to ${common.subscribers} subscribers for ` +
      `${common.seconds} s each, over a link of ${common.rttMs} ms RTT, TCP by ` +
      `${common.congestion ?? await Link.congestion()}, in ms`,
  );
  print(freshnessTable(losses, ages));
  print("\nLast values of keys before they went quiet: latest, WebTransport");
  print(settlingTable(losses, settled));
  if ("missing" in peers) print(`\nNo peers: ${peers.missing}`);
  print("\nTargets");
  const settleLimitMs = 2 * common.rttMs + SETTLE_MS;
  for (const target of targets(losses, ages, settled, settleLimitMs)) print(targetLine(target));
  const folder = options.out ?? await Deno.makeTempDir({ prefix: "slipstream_loss_" });
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/loss.svg`, chart(losses, ages));
  print(`\nChart: ${folder}/loss.svg`);
}
