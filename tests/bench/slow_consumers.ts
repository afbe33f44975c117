/**
 * What readers that never read cost the server and everyone else: 200 consumers of one channel, of
 * which 20 read nothing, 1 KiB × 500 messages a second; over each transport, once for each choice of
 * what becomes of them, each beside the same without them. Of the 20, half stay away once they are
 * sent away and half come back every 12 s, when the kernel's buffers are full, to read nothing again.
 */
import { parseArgs } from "node:util";
import { runSlow, slopeOfLastHalf, type SlowResult, type SlowScenario, TURNS } from "./slow_run.ts";

const USAGE = `deno task bench:slow [options]
  --consumers <count>   consumers in all (200)
  --stalled <count>     of which never read (20)
  --returning <count>   of which come back all the same (half of them)
  --return-after <s>    how often those come, in seconds (12)
  --rate <count>        publications of 1 KiB a second (500; over WebTransport 200)
  --seconds <count>     of each run (24)
  --transport <name>    websocket, sse or webtransport; all without it
  --only <policy>       disconnect, gap or latest; all without it
`;

/** What becomes of a slow consumer, by the namespace of the server. */
const POLICIES = ["disconnect", "gap", "latest"] as const;
const TRANSPORTS = ["websocket", "sse", "webtransport"] as const;

const { values: options } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    consumers: { type: "string", default: "200" },
    stalled: { type: "string", default: "20" },
    returning: { type: "string" },
    "return-after": { type: "string", default: "12" },
    rate: { type: "string" },
    seconds: { type: "string", default: "24" },
    transport: { type: "string" },
    only: { type: "string" },
  },
});

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const progress = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));

if (options.help) print(USAGE);
else await compare();

async function compare(): Promise<void> {
  const consumers = count("consumers", options.consumers, 1);
  const neverRead = count("stalled", options.stalled, 1);
  const returning = count("returning", options.returning ?? String(neverRead >> 1), 0);
  const returnMs = 1000 * count("return-after", options["return-after"], 1);
  const seconds = count("seconds", options.seconds, 4);
  const transports = TRANSPORTS.filter((name) => name === (options.transport ?? name));
  const policies = POLICIES.filter((name) => name === (options.only ?? name));
  if (transports.length === 0) throw new RangeError(`--transport is unknown: ${options.transport}`);
  if (policies.length === 0) throw new RangeError(`--only is unknown: ${options.only}`);
  if (returning > neverRead || neverRead >= consumers) {
    throw new RangeError(
      `--consumers > --stalled >= --returning was expected: ${consumers}, ${neverRead}, ${returning}`,
    );
  }
  const reading = consumers - neverRead;
  for (const transport of transports) {
    // The load client decrypts on the same two cores what the server encrypts.
    const rate = count("rate", options.rate ?? (transport === "webtransport" ? "200" : "500"), 1);
    const perTurn = Math.ceil(rate / TURNS);
    print(
      `\n${transport}: ${reading} readers and ${neverRead} that never read, of which ` +
        `${returning} come back; 1 KiB × ${perTurn * TURNS}/s, ${seconds} s a run`,
    );
    for (const policy of policies) {
      const control = {
        ...{ transport, policy, reading, perTurn, seconds, returnMs },
        stalled: 0,
        returning: 0,
      };
      const scenario = { ...control, stalled: neverRead - returning, returning };
      progress(`${transport}, ${policy}: without those who never read`);
      const without = await runSlow(control, progress);
      progress(`${transport}, ${policy}: with them`);
      const beside = await runSlow(scenario, progress);
      print(`  ${policy}`);
      print(runLines("without", without));
      print(runLines("with", beside));
      print(`    p99 with ÷ without: ${(beside.p99Ms / without.p99Ms).toFixed(2)}`);
      print(`    of the ${neverRead}: ${fate(beside, scenario)}`);
    }
  }
}

function runLines(name: string, result: SlowResult): string {
  const { p50Ms, p99Ms, deliveries, rss, collected } = result;
  const every = Math.max(1, Math.round(rss.length / 12));
  const curve = rss.filter((_, at) => at % every === every - 1).map((mb) => mb.toFixed(0));
  const settled = collected.map(({ rss }) => mb(rss)).join(" ");
  const { heapUsed, external } = collected.at(-1)!;
  return `    ${name.padEnd(8)} p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ` +
    `${deliveries} deliveries\n` +
    `             server MB: ${curve.join(" ")}; last half ${slopeOfLastHalf(rss).toFixed(1)} ` +
    `MB/min\n             collected before, after: ${settled}; heap ${mb(heapUsed)}, ` +
    `outside it ${mb(external)}`;
}

function fate({ state, resumed, returns }: SlowResult, { reading }: SlowScenario): string {
  const { outcomes, pressure, sessions, transports } = state;
  return `${outcomes.disconnect} times sent away for a full queue, ${outcomes.timeout} for taking ` +
    `nothing; ${resumed} of ${returns} returns got their session back; at the end ` +
    `${sessions - transports} wait to resume, ${transports - reading} are connected, ` +
    `${pressure.lingering} closed sockets are unread; ` +
    `${pressure.dropped} publications dropped, ${pressure.conflated} values conflated`;
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function count(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`--${name} must be a whole number from ${least}: ${text}`);
  }
  return value;
}
