import { parseArgs } from "node:util";
import { type Contender, OURS, PEERS, REFERENCE } from "./contenders.ts";
import { type FanOut, fanOut, idleSessions, type Load, type Sessions } from "./measure.ts";
import { installPeers } from "./peers.ts";
import { positive } from "./positive.ts";
import { fanOutTable, sessionsTable, targetLine, targets } from "./report.ts";

const USAGE = `deno task bench [options]
  --quick                         about a minute: one round
  --subscribers <count>           WebSocket and SSE subscribers (1000)
  --quic-subscribers <count>      WebTransport subscribers (200)
  --seconds <count>               seconds of each load and round (2.5)
  --rounds <count>                rounds, each with every server (3)
  --sessions <count>              idle WebSocket and SSE sessions (2000); half as many WebTransport
  --only <text>                   only servers with this in their name, and ${REFERENCE}
`;

/** One message a turn twenty times a second, and ten a turn five times a second. */
const LOADS: readonly Load[] = [{ perTurn: 1, everyMs: 50 }, { perTurn: 10, everyMs: 200 }];

const { values: options } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    subscribers: { type: "string", default: "1000" },
    "quic-subscribers": { type: "string", default: "200" },
    seconds: { type: "string" },
    rounds: { type: "string" },
    sessions: { type: "string", default: "2000" },
    only: { type: "string" },
  },
});

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const progress = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));

if (options.help) print(USAGE);
else await bench();

async function bench(): Promise<void> {
  const subscribers = {
    tcp: positive("subscribers", options.subscribers),
    quic: positive("quic-subscribers", options["quic-subscribers"]),
  };
  const seconds = positive("seconds", options.seconds ?? (options.quick ? "1" : "2.5"));
  const rounds = positive("rounds", options.rounds ?? (options.quick ? "1" : "3"));
  const idle = positive("sessions", options.sessions);
  const sessions = { tcp: idle, quic: Math.ceil(idle / 2) };

  const peers = installPeers();
  const contenders = [...("missing" in peers ? [] : PEERS), ...OURS].filter((contender) =>
    contender.name === REFERENCE || contender.name.includes(options.only ?? "")
  );

  const fanOuts = new Map<Contender, FanOut[][]>(contenders.map((each) => [each, []]));
  const weights = new Map<Contender, Sessions>();
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another server, so that none always has the machine in one state.
    const order = contenders.map((_, i) => contenders[(i + round) % contenders.length]!);
    for (const contender of order) {
      progress(`round ${round + 1} of ${rounds}: ${contender.name}`);
      fanOuts.get(contender)!.push(
        await fanOut(contender, subscribers[contender.cap], LOADS, seconds),
      );
    }
  }
  for (const contender of contenders) {
    progress(`idle sessions: ${contender.name}`);
    weights.set(contender, await idleSessions(contender, sessions[contender.cap]));
  }

  print(`\nDeno ${Deno.version.deno}, Node ${"missing" in peers ? "–" : peers.nodeVersion}`);
  print(
    `Fan-out of 64 B payloads to ${subscribers.tcp} subscribers, WebTransport ` +
      `${subscribers.quic}; medians of ${rounds} rounds of ${seconds} s`,
  );
  print(fanOutTable(LOADS, fanOuts, REFERENCE));
  print(`\nIdle sessions: ${sessions.tcp}, WebTransport ${sessions.quic}`);
  print(sessionsTable(weights));
  if ("missing" in peers) print(`\nNo ratios: ${peers.missing}`);
  print("\nTargets");
  for (const target of targets(LOADS, fanOuts, weights, REFERENCE)) print(targetLine(target));
}
