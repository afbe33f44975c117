import type { Client, ConnectOptions } from "../../src/client/mod.ts";
import { Core } from "../../src/client/core.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import type { RedisOptions } from "../../src/mod.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { type TestServer, withServer } from "./harness.ts";

/** Runs `body` with nodes that share a Redis of their own. */
export async function withNodes(
  count: number,
  body: (nodes: readonly TestServer[], redis: TestRedis) => Promise<void>,
): Promise<void> {
  const server = await TestRedis.start();
  const redis: RedisOptions = { url: server.url, timeoutMs: 2000 };
  const start = (nodes: readonly TestServer[]): Promise<void> =>
    nodes.length === count
      ? body(nodes, server)
      : withServer({ redis }, (node) => start([...nodes, node]));
  try {
    await start([]);
  } finally {
    await server.stop();
  }
}

/** A client that is led to one node or another, as by a balancer. */
export interface RoamingClient {
  readonly client: Client;
  /** Whatever it opens from now on leads there. */
  leadTo(url: string): void;
}

/** A client whose first node is at `url`. */
export function roam(url: string, options: ConnectOptions): RoamingClient {
  let base = new URL(url);
  const environment = systemEnvironment();
  const { webtransport, websocket, sse } = environment.transports;
  const client = new Core(base, options, {
    ...environment,
    fetchServerInfo: (_base, ...rest) => environment.fetchServerInfo(base, ...rest),
    transports: {
      webtransport: webtransport!,
      websocket: (target, ...rest) => websocket!({ ...target, base }, ...rest),
      sse: (target, ...rest) => sse!({ ...target, base }, ...rest),
    },
  });
  client.closed.catch(() => {});
  client.ready.catch(() => {});
  return { client, leadTo: (url) => void (base = new URL(url)) };
}
