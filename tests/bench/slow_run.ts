import { fileURLToPath } from "node:url";
import { Child } from "./child.ts";
import type { LoadReport } from "./load/client.ts";
import { SlowPeer, type SlowTransport } from "./slow_peers.ts";
import type { SlowServerState } from "./slow_server.ts";

/** One run of `slow_consumers.ts`. */
export interface SlowScenario {
  readonly transport: SlowTransport;
  /** The namespace of the channel: what becomes of a slow consumer. */
  readonly policy: string;
  /** Consumers that read. */
  readonly reading: number;
  /** Consumers that never read and stay away once they are sent away. */
  readonly stalled: number;
  /** Consumers that never read and come back all the same, every `returnMs` milliseconds. */
  readonly returning: number;
  readonly returnMs: number;
  /** Publications of a turn; there are {@linkcode TURNS} a second. */
  readonly perTurn: number;
  readonly seconds: number;
}

export interface SlowResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly deliveries: number;
  /** Resident memory of the server in MB, a sample a second. */
  readonly rss: readonly number[];
  /** Once garbage was collected: before the run and after it. */
  readonly collected: readonly Deno.MemoryUsage[];
  /** At the end. */
  readonly state: SlowServerState;
  /** How often those who return were given their session back, and how often they came. */
  readonly resumed: number;
  readonly returns: number;
}

/** Turns of publishing a second: 500 messages come as ten at once. */
export const TURNS = 50;

/** Runs a server, its readers and those who never read, each in a process of its own. */
export async function runSlow(
  scenario: SlowScenario,
  progress: (text: string) => void,
): Promise<SlowResult> {
  const { transport, policy, reading, perTurn, seconds } = scenario;
  const channel = `${policy}:flood`;
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const deno = [Deno.execPath(), "run", "-A", "--no-check"];
  const server = new Child([...deno, "--v8-flags=--expose-gc", here("slow_server.ts"), channel]);
  const load = new Child([...deno, here("load/client.ts"), transport]);
  const peers: SlowPeer[] = [];
  const timers: ReturnType<typeof setInterval>[] = [];
  try {
    const ports = await server.ask<{ port: number; webTransportPort: number; certPem: string }>();
    const { certPem } = ports;
    const port = transport === "webtransport" ? ports.webTransportPort : ports.port;
    const target = { port, channel, certPem };
    await load.ask();
    await load.ask({ subscribe: { count: reading, target } });
    const publish = (turns: number) =>
      server.ask({ publish: { perTurn, everyMs: 1000 / TURNS, turns } });
    // The compiler and the heap have their size after this.
    await publish(WARM_UP_SECONDS * TURNS);
    await load.ask({ report: { expected: perTurn * WARM_UP_SECONDS * TURNS * reading } });
    const collected: Deno.MemoryUsage[] = [];
    const collect = async () => {
      await server.ask({ collect: true });
      collected.push((await server.ask<SlowServerState>({ state: true })).memory);
    };
    await collect();

    for (let at = 0; at < scenario.stalled + scenario.returning; at++) {
      const peer = new SlowPeer(transport, target);
      await peer.open();
      peers.push(peer);
    }
    const returning = peers.slice(scenario.stalled);
    let returns = 0;
    let failure: unknown;
    timers.push(setInterval(() => {
      for (const peer of returning) {
        returns++;
        peer.comeBack().catch((error) => failure ??= error);
      }
    }, scenario.returnMs));

    await load.ask({ begin: true });
    const rss: number[] = [];
    timers.push(setInterval(() => {
      rss.push(server.residentBytes() / 1e6);
      if (rss.length % 5 === 0) progress(`  ${rss.length} s: ${rss.at(-1)!.toFixed(0)} MB`);
    }, 1000));
    const turns = Math.round(seconds * TURNS);
    await publish(turns);
    for (const timer of timers) clearInterval(timer);
    const expected = perTurn * turns * reading;
    const { p50Ms, p99Ms, deliveries } = await load.ask<LoadReport>({ report: { expected } });
    const state = await server.ask<SlowServerState>({ state: true });
    await collect();
    if (failure !== undefined) progress(`  A return failed: ${failure}`);
    const resumed = returning.reduce((sum, peer) => sum + peer.resumed, 0);
    return { p50Ms, p99Ms, deliveries, rss, collected, state, resumed, returns };
  } finally {
    for (const timer of timers) clearInterval(timer);
    for (const peer of peers) peer.close();
    await load.end();
    await server.end();
  }
}

/** Resident memory's slope over the last half of a run, in MB a minute, by least squares. */
export function slopeOfLastHalf(rss: readonly number[]): number {
  const half = rss.slice(Math.floor(rss.length / 2));
  const meanX = (half.length - 1) / 2;
  const meanY = half.reduce((sum, mb) => sum + mb, 0) / half.length;
  let over = 0;
  let under = 0;
  half.forEach((mb, x) => {
    over += (x - meanX) * (mb - meanY);
    under += (x - meanX) ** 2;
  });
  return 60 * over / under;
}

/** Enough for V8 to compile what is hot, at any rate. */
const WARM_UP_SECONDS = 5;
