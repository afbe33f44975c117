import { Child } from "./child.ts";
import { type Contender, loadClient } from "./contenders.ts";
import type { LoadReport } from "./load/client.ts";

/** One way of publishing: `perTurn` messages in one turn of the event loop, every `everyMs`. */
export interface Load {
  readonly perTurn: number;
  readonly everyMs: number;
}

/** What one contender did with one load in one round. */
export interface FanOut {
  readonly microsPerDelivery: number;
  readonly deliveriesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Part of the deliveries that never came; datagrams may be lost. */
  readonly lost: number;
}

/** What sessions cost that are opened and then only there. */
export interface Sessions {
  readonly perSecond: number;
  readonly cpuMsEach: number;
  /** With the garbage collected and the heap compacted, as V8 itself does after half a minute. */
  readonly kbEach: number;
  /** Two seconds after the sessions were opened. */
  readonly freshKbEach: number;
}

/** Publications before the first measured one, so that hot code is compiled. */
const WARM_UP: Load & { turns: number } = { perTurn: 5, everyMs: 50, turns: 16 };
/** Sessions before the first measured one. */
const WARM_UP_SESSIONS = 200;
/** What a server may take to settle after its sessions are open, in milliseconds. */
const SETTLE_MS = 2000;

/** Fan-out to `subscribers`, for `seconds` with each load, on a server of its own. */
export async function fanOut(
  contender: Contender,
  subscribers: number,
  loads: readonly Load[],
  seconds: number,
): Promise<FanOut[]> {
  return await withServer(contender, async (server, load, target) => {
    await load.ask({ subscribe: { count: subscribers, target } });
    await server.ask({ publish: WARM_UP });
    await load.ask({ report: { expected: WARM_UP.perTurn * WARM_UP.turns * subscribers } });
    const measured: FanOut[] = [];
    for (const { perTurn, everyMs } of loads) {
      const turns = Math.max(1, Math.round(seconds * 1000 / everyMs));
      const expected = perTurn * turns * subscribers;
      await load.ask({ begin: true });
      const cpuBefore = server.cpuMicros();
      await server.ask({ publish: { perTurn, everyMs, turns } });
      const report = await load.ask<LoadReport>({ report: { expected } });
      measured.push({
        microsPerDelivery: (server.cpuMicros() - cpuBefore) / report.deliveries,
        deliveriesPerSecond: report.deliveries / report.seconds,
        p50Ms: report.p50Ms,
        p99Ms: report.p99Ms,
        lost: Math.max(0, 1 - report.deliveries / expected),
      });
    }
    return measured;
  });
}

/** Opens `count` sessions as fast as the server takes them, and weighs them when they are idle. */
export async function idleSessions(contender: Contender, count: number): Promise<Sessions> {
  return await withServer(contender, async (server, load, target) => {
    await load.ask({ subscribe: { count: WARM_UP_SESSIONS, target } });
    const compactedBefore = await compactedBytes(server);
    // Brings the heap's young generation back to its size, which is no session's.
    await server.ask({ publish: WARM_UP });
    const bytesBefore = await settledBytes(server);
    const cpuBefore = server.cpuMicros();
    const { seconds } = await load.ask<{ seconds: number }>({ subscribe: { count, target } });
    const cpuMicros = server.cpuMicros() - cpuBefore;
    const bytes = await settledBytes(server);
    return {
      perSecond: count / seconds,
      cpuMsEach: cpuMicros / 1000 / count,
      freshKbEach: (bytes - bytesBefore) / 1000 / count,
      kbEach: (await compactedBytes(server) - compactedBefore) / 1000 / count,
    };
  });
}

async function settledBytes(server: Child): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return server.residentBytes();
}

async function compactedBytes(server: Child): Promise<number> {
  await server.ask({ collect: true });
  return server.residentBytes();
}

interface Greeting {
  readonly port: number;
  readonly webTransportPort?: number;
  readonly certPem?: string;
}

async function withServer<Result>(
  contender: Contender,
  use: (server: Child, load: Child, target: unknown) => Promise<Result>,
): Promise<Result> {
  const server = new Child(contender.server);
  const load = new Child(loadClient(contender));
  try {
    const greeting = await server.ask<Greeting>();
    await load.ask();
    return await use(server, load, {
      ...greeting,
      port: contender.cap === "quic" ? greeting.webTransportPort : greeting.port,
      channel: contender.channel,
    });
  } finally {
    await load.end();
    await server.end();
  }
}
