import type { RedisSentinels } from "../../src/options.ts";
import { TestRedis } from "./redis_server.ts";

/** A Redis with a replica, which a Sentinel lets take over within a second or two. */
export interface WatchedRedis {
  readonly master: TestRedis;
  readonly sentinels: RedisSentinels;
  stop(): Promise<void>;
}

/** Resolves once the replica is in step and known to the Sentinel. */
export async function startSentinel(): Promise<WatchedRedis> {
  const master = await TestRedis.start();
  const replica = await TestRedis.start(["--replicaof", "127.0.0.1", `${master.port}`]);
  await replica.ask(async (client) => {
    while (!(await client.info("replication")).includes("master_link_status:up"));
  });
  const config = `port {port}
    bind 127.0.0.1
    sentinel monitor game 127.0.0.1 ${master.port} 1
    sentinel down-after-milliseconds game 300
    sentinel failover-timeout game 2000`;
  const sentinel = await TestRedis.start(["--sentinel"], config);
  await sentinel.ask(async (client) => {
    while (!`${await client.call("SENTINEL", "replicas", "game")}`.includes(`${replica.port}`)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  return {
    master,
    sentinels: { urls: [sentinel.url], name: "game" },
    async stop() {
      for (const server of [sentinel, replica, master]) await server.stop();
    },
  };
}
