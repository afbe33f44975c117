import { parseArgs } from "node:util";
import { spreadWindowMs } from "../../src/policy/jitter.ts";
import { chart } from "./chart.ts";
import type { Curve } from "./curve.ts";
import { realStorm } from "./real_storm.ts";
import { table } from "./report.ts";
import { scenarios, simulate } from "./simulation.ts";

const USAGE = `deno task storm [options]
  --quick                  about a minute: 20000 simulated clients, 300 real sessions
  --only <part>            "simulation" or "real"
  --clients <count>        simulated clients (200000)
  --rate <count>           new sessions a second that the simulated node takes (500)
  --minutes <count>        virtual time after the loss (15)
  --seed <number>          of the simulation (1)
  --sessions <count>       real sessions over WebSocket (2000)
  --webtransport <count>   real sessions over WebTransport besides (50)
  --real-rate <count>      new sessions a second that the real server takes (200)
  --out <folder>           where the charts go (a new temporary folder)
`;

const { values: options } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    clients: { type: "string" },
    rate: { type: "string", default: "500" },
    minutes: { type: "string", default: "15" },
    seed: { type: "string", default: "1" },
    sessions: { type: "string" },
    webtransport: { type: "string" },
    "real-rate": { type: "string" },
    out: { type: "string" },
  },
});

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const progress = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));

if (options.help) print(USAGE);
else await storm();

async function storm(): Promise<void> {
  const { quick, only } = options;
  if (!["", "simulation", "real"].includes(only)) {
    throw new RangeError(`--only must be simulation or real: ${only}`);
  }
  const folder = options.out ?? await Deno.makeTempDir({ prefix: "slipstream_storm_" });
  await Deno.mkdir(folder, { recursive: true });
  if (only !== "real") {
    const clients = count("clients", options.clients ?? (quick ? "20000" : "200000"));
    const rate = count("rate", options.rate);
    await report(
      `${clients} simulated clients lose their node, which takes ${rate} a second`,
      simulateAll(clients, rate),
      `${folder}/simulation.svg`,
    );
  }
  if (only !== "simulation") {
    const sessions = count("sessions", options.sessions ?? (quick ? "300" : "2000"));
    const webtransport = count("webtransport", options.webtransport ?? (quick ? "10" : "50"));
    const rate = count("real-rate", options["real-rate"] ?? (quick ? "50" : "200"));
    await report(
      `${sessions} WebSocket and ${webtransport} WebTransport sessions, server killed`,
      await stormAll(sessions, webtransport, rate),
      `${folder}/real.svg`,
    );
  }
}

function simulateAll(clients: number, ratePerSecond: number): Curve[] {
  const endMs = count("minutes", options.minutes) * 60_000;
  return scenarios({ clients, ratePerSecond, seed: count("seed", options.seed) })
    .map((scenario) => simulate(scenario, endMs, progress));
}

async function stormAll(
  websocket: number,
  webtransport: number,
  ratePerSecond: number,
): Promise<Curve[]> {
  const clients = { webtransport, websocket };
  const spreadMs = Math.round(spreadWindowMs(websocket + webtransport, ratePerSecond));
  const bare = { clients, ratePerSecond: null, spreadMs: 0, downMs: 1000 };
  const curves: Curve[] = [];
  for (
    const scenario of [
      { ...bare, name: "kill -9, no jitter", jitter: false },
      { ...bare, name: "kill -9, client jitter only", jitter: true },
      { ...bare, name: "kill -9, spread by the rate", jitter: true, ratePerSecond, spreadMs },
    ]
  ) {
    const certificates = await Deno.makeTempDir({ prefix: "slipstream_storm_certs_" });
    try {
      curves.push(await realStorm(scenario, certificates, progress));
    } finally {
      await Deno.remove(certificates, { recursive: true });
    }
  }
  return curves;
}

async function report(title: string, curves: readonly Curve[], file: string): Promise<void> {
  await Deno.writeTextFile(file, chart(title, curves));
  print(`\n${title}\n${table(curves)}\nChart: ${file}`);
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`--${name} must be a whole number above 0: ${text}`);
  }
  return value;
}
