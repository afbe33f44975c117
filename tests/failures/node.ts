import type { HistoryPage } from "../../src/broker/broker.ts";
import { RedisBroker } from "../../src/broker/redis_broker.ts";
import { OPEN, type RedisOptions, type RedisState, serve } from "../../src/mod.ts";

/**
 * One node of a fleet, a process of its own. Argument: {@linkcode NodeOptions} as JSON; says its
 * ports in one line and serves until it is killed. `/state` tells how it is.
 */
export interface NodeOptions {
  readonly folder: string;
  readonly redis: RedisOptions;
}

export interface NodeState {
  readonly redis: RedisState;
  readonly rssBytes: number;
  readonly sessions: number;
  /** Publications that were read from history, to heal what was missed. */
  readonly readFromHistory: number;
  readonly warnings: readonly string[];
}

const { folder, redis }: NodeOptions = JSON.parse(Deno.args[0]!);

let readFromHistory = 0;
const { history } = RedisBroker.prototype;
RedisBroker.prototype.history = async function (...args): Promise<HistoryPage> {
  const page = await history.apply(this, args);
  readFromHistory += page.publications.length;
  return page;
};

const warnings: string[] = [];
const server = await serve({
  hostname: "127.0.0.1",
  port: 0,
  developmentPort: 0,
  tls: { developmentFolder: folder },
  origins: { allowMissing: true },
  admission: {
    ratePerSecond: Infinity,
    ratePerSecondPerAddress: Infinity,
    maxSessionsPerAddress: Infinity,
  },
  reconnectSpreadMs: 500,
  heartbeat: { intervalMs: 1500, misses: 1 },
  namespaces: {
    long: { permissions: OPEN, historySize: 10_000 },
    short: { permissions: OPEN, historySize: 8 },
    values: { permissions: OPEN, delivery: "latest" },
  },
  redis,
  log: ({ message, error }) => {
    if (warnings.length < 20) warnings.push(`${message}: ${error}`);
  },
  fetch: () => {
    const state: NodeState = {
      redis: server.redis!,
      rssBytes: Deno.memoryUsage().rss,
      sessions: server.sessions.count,
      readFromHistory,
      warnings,
    };
    return Response.json(state);
  },
});
Deno.stdout.writeSync(new TextEncoder().encode(`${server.developmentPort}\n`));
await server.finished;
