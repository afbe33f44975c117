import type { TransportKind } from "../../src/client/transports/transport.ts";
import { Child } from "../bench/child.ts";
import type { Tally } from "./clients.ts";
import { Curve } from "./curve.ts";
import type { StormServerOptions } from "./server.ts";

/** A storm with real processes and sockets. */
export interface RealScenario {
  readonly name: string;
  /** Clients over each transport; each kind has a process of its own. */
  readonly clients: { readonly [Kind in TransportKind]?: number };
  /** New sessions a second; `null` where nobody is refused. */
  readonly ratePerSecond: number | null;
  readonly spreadMs: number;
  readonly jitter: boolean;
  /** For how long nobody listens, besides the start of the process, in milliseconds. */
  readonly downMs: number;
}

/**
 * Opens the clients, kills the server with SIGKILL, starts it again on the same ports, and returns
 * how its clients came back. `progress` hears of it once a second.
 */
export async function realStorm(
  scenario: RealScenario,
  folder: string,
  progress: (text: string) => void,
): Promise<Curve> {
  const { name, ratePerSecond, spreadMs: reconnectSpreadMs } = scenario;
  const kinds = Object.entries(scenario.clients).filter(([, count]) => count > 0);
  const count = kinds.reduce((sum, [, each]) => sum + each, 0);
  const children: Child[] = [];
  const spawn = (file: string, ...args: string[]) => {
    const path = new URL(file, import.meta.url).pathname;
    const child = new Child([Deno.execPath(), "run", "-A", "--no-check", path, ...args]);
    children.push(child);
    return child;
  };
  const serve = (ports: Pick<StormServerOptions, "port" | "developmentPort">) =>
    spawn("server.ts", JSON.stringify({ folder, ratePerSecond, reconnectSpreadMs, ...ports }));
  try {
    const first = serve({ port: 0, developmentPort: 0 });
    const ports = await first.ask<{ port: number; developmentPort: number }>();
    const url = `http://127.0.0.1:${ports.developmentPort}`;
    progress(`${name}: opening ${count} sessions`);
    const clients: Child[] = [];
    for (const [transport, each] of kinds) {
      const child = spawn("clients.ts");
      clients.push(child);
      // One kind after the other, at a pace that nobody is refused for.
      const perSecond = Math.min(MAX_OPENED_PER_SECOND[transport]!, (ratePerSecond ?? 1000) / 2);
      const { jitter } = scenario;
      await child.ask({ open: { count: each, url, transport, perSecond, jitter } });
    }

    // With the first tally of each nothing has happened yet, and nothing will be missed.
    await Promise.all(clients.map((child) => child.ask<Tally>({ storm: true })));
    const lostMs = performance.now();
    Deno.kill(first.pid!, "SIGKILL");
    const curve = new Curve(name, count);
    const restarted = new Promise((resolve) => setTimeout(resolve, scenario.downMs)).then(() =>
      serve(ports).ask()
    );
    // Awaited below; until then its failure is nobody's.
    restarted.catch(() => {});
    let inside = count;
    let over = false;
    let saidMs = 0;
    let saidArrivals = 0;
    let arrivals = 0;
    const take = (tally: Tally) => {
      const nowMs = performance.now() - lostMs;
      curve.arrived(nowMs, tally.attempts);
      curve.refused += tally.refused;
      curve.lost += tally.lost;
      curve.cameBack(nowMs, tally.back);
      inside += tally.back - tally.gone;
      arrivals += tally.attempts;
      if (nowMs - saidMs >= 1000) {
        const bar = "█".repeat(Math.round(40 * inside / count)).padEnd(40, "·");
        progress(
          `${(nowMs / 1000).toFixed(0).padStart(4)} s  ${bar}  ${inside} of ${count} in, ` +
            `${arrivals - saidArrivals} attempts in the last second`,
        );
        saidMs += 1000;
        saidArrivals = arrivals;
      }
      over = curve.back >= count || nowMs > MAX_MS;
    };
    await Promise.all(clients.map(async (child) => {
      while (!over) take(await child.ask<Tally>());
    }));
    await restarted;
    return curve;
  } finally {
    await Promise.all(children.map((child) => child.end()));
  }
}

/** Whoever is not back by then will not be. */
const MAX_MS = 180_000;

/** About half of what two cores hand-shake while they run the clients as well. */
const MAX_OPENED_PER_SECOND: Readonly<Record<string, number>> = {
  webtransport: 30,
  websocket: 300,
  sse: 200,
};
