import assert from "node:assert/strict";
import { startSentinel } from "../broker/redis_sentinel.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { Fleet, type FleetAccount, pause } from "./fleet.ts";

/** How long the faults last. */
export interface Scale {
  /** An outage, in milliseconds: longer than the nodes' timeout. */
  readonly outageMs: number;
  /** How many publications are kept before and after it. */
  readonly load: number;
}

export const SHORT: Scale = { outageMs: 1200, load: 60 };
export const LONG: Scale = { outageMs: 10_000, load: 4000 };

export interface Case {
  readonly name: string;
  /** Options of redis-server. */
  readonly redisArgs?: readonly string[];
  readonly nodes?: number;
  /** Redis comes back with less, or nobody can know: a gap is said in every channel. */
  readonly losesData?: true;
  readonly checkIntervalMs?: number;
  /** Redis has a replica, and a Sentinel that lets it take over. */
  readonly watched?: true;
  /** Resolves when what is broken is there again. */
  readonly fault: (fleet: Fleet, redis: TestRedis, scale: Scale) => Promise<void>;
  /** What this case has to show beyond what all have. */
  readonly expect?: (account: FleetAccount, fleet: Fleet) => void;
}

const AOF = ["--appendonly", "yes", "--appendfsync", "always"];

/** Who does not hear whether a publication was kept sends it again, and it is kept once. */
function nothingUnknown({ unknown }: FleetAccount): void {
  assert.equal(unknown, 0);
}

export const CASES: readonly Case[] = [
  {
    name: "kill -9 of a node; its clients go to another one",
    nodes: 3,
    async fault({ nodes: [first, second] }, _redis, { outageMs }) {
      await first!.kill(second!);
      await pause(outageMs);
    },
    expect: nothingUnknown,
  },
  {
    name: "kill -9 of a node that is started again",
    async fault({ nodes: [first] }) {
      await first!.kill();
      await first!.start();
    },
    expect: nothingUnknown,
  },
  {
    name: "kill -9 of Redis, back empty",
    async fault(_fleet, redis, { outageMs }) {
      await redis.kill();
      await pause(outageMs);
      await redis.restart({ empty: true });
    },
    losesData: true,
    expect({ refused, gaps }) {
      assert(refused > 0 && gaps > 0, `${refused} refused, ${gaps} gaps`);
    },
  },
  {
    name: "kill -9 of Redis, back with its data",
    redisArgs: AOF,
    async fault(_fleet, redis, { outageMs }) {
      await redis.kill();
      await pause(outageMs);
      await redis.restart();
    },
    losesData: true,
    expect({ refused, gaps }) {
      assert(refused > 0 && gaps > 0, `${refused} refused, ${gaps} gaps`);
    },
  },
  {
    name: "kill -9 of Redis, back with a snapshot that is older",
    async fault(fleet, redis, { outageMs }) {
      await redis.ask((client) => client.save());
      await fleet.more(60);
      await redis.kill();
      await pause(outageMs);
      await redis.restart();
    },
    losesData: true,
    expect({ gaps }) {
      // Readers that had got everything before the kill miss nothing, but are told all the same.
      assert(gaps > 0, "what was kept after the snapshot is lost, and it is said");
    },
  },
  {
    name: "Redis paused by CLIENT PAUSE",
    async fault(_fleet, redis, { outageMs }) {
      await redis.ask((client) => client.client("PAUSE", outageMs, "ALL"));
      await pause(outageMs);
    },
    expect({ refused }) {
      assert(refused > 0);
    },
  },
  {
    name: "Redis stopped by SIGSTOP",
    async fault(_fleet, redis, { outageMs }) {
      redis.pause();
      await pause(outageMs);
      redis.resume();
    },
    expect({ refused }) {
      assert(refused > 0);
    },
  },
  {
    name: "kill -9 of a Redis whose replica takes over",
    watched: true,
    fault: (_fleet, redis) => redis.kill(),
    losesData: true,
    expect({ refused, gaps }) {
      assert(refused > 0 && gaps > 0, `${refused} refused, ${gaps} gaps`);
    },
  },
  {
    name: "a node whose way to Redis is cut, not that of its clients",
    async fault({ nodes: [first] }, _redis, { outageMs }) {
      first!.redis!.cut();
      await pause(outageMs);
      first!.redis!.restore();
    },
    expect({ refused, readFromHistory }) {
      assert(refused > 0 && readFromHistory > 0);
    },
  },
  {
    name: "a node whose way to Redis goes silent",
    async fault({ nodes: [first] }, _redis, { outageMs }) {
      first!.redis!.hold();
      await pause(outageMs);
      first!.redis!.restore();
    },
    expect({ refused }) {
      assert(refused > 0);
    },
  },
  {
    name: "a slow Redis, within the timeout",
    async fault({ nodes }, _redis, { outageMs }) {
      for (const node of nodes) node.redis!.delayMs = 60;
      await pause(outageMs);
      for (const node of nodes) node.redis!.restore();
    },
    expect({ refused, gaps, expected, received }) {
      assert.deepEqual([refused, gaps, received], [0, 0, expected]);
    },
  },
  {
    name: "a slow Redis, beyond the timeout",
    async fault({ nodes }, _redis, { outageMs }) {
      for (const node of nodes) node.redis!.delayMs = 1200;
      await pause(2 * outageMs);
      for (const node of nodes) node.redis!.restore();
    },
    expect({ refused }) {
      assert(refused > 0);
    },
  },
  {
    name: "Redis closes every socket for pub/sub, again and again",
    async fault(fleet, redis) {
      for (let round = 0; round < 3; round++) {
        await redis.ask((client) => client.call("CLIENT", "KILL", "TYPE", "pubsub"));
        await fleet.more(60);
      }
    },
    expect({ refused, unknown }) {
      assert.deepEqual([refused, unknown], [0, 0]);
    },
  },
  {
    name: "a node that lost its subscriptions and was told nothing",
    checkIntervalMs: 500,
    async fault(fleet) {
      const channels = [...fleet.sent.keys()].map((channel) => `slipstream:{/${channel}}`);
      const sockets = await fleet.nodes[0]!.redis!.forget(channels);
      assert.equal(sockets, 1);
      await fleet.more(60);
    },
    expect({ refused, unknown, readFromHistory }) {
      assert.deepEqual([refused, unknown], [0, 0]);
      assert(readFromHistory > 0);
    },
  },
];

/** Breaks what the case breaks, under load, and returns the line that tells what came of it. */
export async function runCase(given: Case, scale: Scale): Promise<string> {
  const watched = given.watched ? await startSentinel() : undefined;
  const redis = watched?.master ?? await TestRedis.start(given.redisArgs);
  try {
    const { checkIntervalMs = 2000 } = given;
    const fleet = await Fleet.start({
      nodes: given.nodes ?? 2,
      redis: watched ? { sentinels: watched.sentinels } : { port: redis.port },
      options: { checkIntervalMs },
    });
    try {
      return await breakAndSettle(given, fleet, redis, scale);
    } finally {
      redis.resume();
      await fleet.close();
    }
  } finally {
    await (watched ?? redis).stop();
  }
}

async function breakAndSettle(
  given: Case,
  fleet: Fleet,
  redis: TestRedis,
  scale: Scale,
): Promise<string> {
  fleet.load();
  await fleet.more(scale.load);
  await given.fault(fleet, redis, scale);
  const startMs = performance.now();
  await fleet.settled();
  const recoveredMs = performance.now() - startMs;
  await fleet.more(scale.load);
  await fleet.rest();
  await fleet.settled();
  const account = fleet.account();
  // What fits into the history is healed from it, whatever has failed.
  if (!given.losesData) assert.equal(account.longGaps, 0);
  given.expect?.(account, fleet);
  return line(given.name, account, recoveredMs, fleet.readers.length);
}

function line(name: string, account: FleetAccount, recoveredMs: number, readers: number): string {
  const { sent, kept, refused, unknown, expected, received, saidAsGap, gaps } = account;
  return `${name}
    sent ${sent}: kept ${kept}, refused ${refused}, unknown ${unknown}
    readers of ordered channels were to get ${expected}, got ${received}; ` +
    `${saidAsGap} said as missing, in ${gaps} gaps; silent 0, twice 0, out of order 0
    read from history ${account.readFromHistory}; sessions kept ${account.sessionsKept} of ` +
    `${readers}; at most ${account.pendingBytes} B waited for Redis; a node at most ` +
    `${account.rssMegabytes} MB; whole again after ${Math.round(recoveredMs)} ms`;
}
