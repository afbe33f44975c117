import { fileURLToPath } from "node:url";
import { Child } from "../child.ts";
import type { LoadReport, Protocol } from "../load/client.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const deno = [Deno.execPath(), "run", "-A", "--no-check"];

/** A server that shares Redis with others like it, and the way its subscribers come. */
export interface Contender {
  readonly name: string;
  readonly protocol: Protocol;
  readonly command: (redisUrl: string) => readonly string[];
}

export const SLIPSTREAM: Contender = {
  name: "Slipstream",
  protocol: "websocket",
  command: (url) => [...deno, here("server.ts"), url, "1", "publish"],
};

export const SOCKET_IO: Contender = {
  name: "socket.io with its Redis adapter",
  protocol: "socket.io",
  command: (url) => ["node", here("../peers/socket_io_redis_server.mjs"), url],
};

/** Latency from the publisher's call to the subscriber's read. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What a publication to many costs both nodes together, Redis left out. */
export interface Cost {
  readonly microsPerDelivery: number;
  readonly deliveriesPerCpuSecond: number;
}

/** What a stream of publications over channels and nodes comes to. */
export interface Growth {
  readonly microsPerPublication: number;
  readonly p99Ms: number;
}

interface ServerState extends Latency {
  readonly received: number;
  readonly failed: number;
}

const WARM_UP = { perTurn: 5, everyMs: 20, turns: 50 };

/** Latency at 1,000 publications a second to ten subscribers on the publishing node or another. */
export async function latency(
  contender: Contender,
  redisUrl: string,
  nodes: 1 | 2,
  seconds: number,
): Promise<Latency> {
  return await withNodes(contender, redisUrl, nodes, 10, async (publisher, _nodes, load) => {
    const turns = Math.round(seconds * 500);
    await load.ask({ begin: true });
    await publisher.ask({ publish: { perTurn: 2, everyMs: 2, turns } });
    return await whole(load, turns * 2 * 10);
  });
}

/** CPU of both nodes for publications to `subscribers` on the other one. */
export async function cost(
  contender: Contender,
  redisUrl: string,
  subscribers: number,
  seconds: number,
): Promise<Cost> {
  return await withNodes(contender, redisUrl, 2, subscribers, async (publisher, nodes, load) => {
    const turns = Math.round(seconds * 20);
    await load.ask({ begin: true });
    const before = sum(nodes);
    await publisher.ask({ publish: { perTurn: 5, everyMs: 50, turns } });
    const { deliveries } = await whole(load, turns * 5 * subscribers);
    const micros = sum(nodes) - before;
    return {
      microsPerDelivery: micros / deliveries,
      deliveriesPerCpuSecond: deliveries / (micros / 1e6),
    };
  });
}

/** How many publications a second reach one subscriber on the other node, asked for far too many. */
export async function saturation(
  contender: Contender,
  redisUrl: string,
  seconds: number,
): Promise<number> {
  return await withNodes(contender, redisUrl, 2, 1, async (publisher, _nodes, load) => {
    const turns = Math.round(seconds * 50);
    await load.ask({ begin: true });
    await publisher.ask({ publish: { perTurn: 2000, everyMs: 20, turns } });
    const { deliveries, seconds: taken } = await whole(load, turns * 2000);
    return deliveries / taken;
  });
}

/** Slipstream's nodes, each listening to all of `channels`; one publishes, round about. */
export async function growth(
  redisUrl: string,
  nodes: number,
  channels: number,
  seconds: number,
): Promise<Growth> {
  const children: Child[] = [];
  try {
    for (let at = 0; at < nodes; at++) {
      const node = new Child([...deno, here("server.ts"), redisUrl, `${channels}`, "listen"]);
      children.push(node);
      await node.ask();
    }
    const [publisher] = children;
    await publisher!.ask({ publish: WARM_UP });
    for (const node of children) await node.ask({ state: true });
    const before = sum(children);
    const turns = Math.round(seconds * 100);
    await publisher!.ask({ publish: { perTurn: 20, everyMs: 10, turns } });
    // Those on their way.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const micros = sum(children) - before;
    const states = await Promise.all(
      children.map((node) => node.ask<ServerState>({ state: true })),
    );
    const short = states.find(({ received }) => received < turns * 20 * 0.95);
    if (short !== undefined) throw new Error(`A node has heard too little: ${short.received}`);
    return {
      microsPerPublication: micros / (turns * 20),
      p99Ms: Math.max(...states.map(({ p99Ms }) => p99Ms)),
    };
  } finally {
    for (const child of children) await child.end();
  }
}

/** Nodes, with all subscribers on the last one and the publisher on the first. */
async function withNodes<Result>(
  { command, protocol }: Contender,
  redisUrl: string,
  count: 1 | 2,
  subscribers: number,
  use: (publisher: Child, nodes: readonly Child[], load: Child) => Promise<Result>,
): Promise<Result> {
  const nodes: Child[] = [];
  const load = new Child([...deno, here("../load/client.ts"), protocol]);
  try {
    let port = 0;
    for (let at = 0; at < count; at++) {
      const node = new Child(command(redisUrl));
      nodes.push(node);
      port = (await node.ask<{ port: number }>()).port;
    }
    await load.ask();
    const target = { port, channel: "ordered:bench" };
    await load.ask({ subscribe: { count: subscribers, target } });
    await nodes[0]!.ask({ publish: WARM_UP });
    const expected = WARM_UP.perTurn * WARM_UP.turns * subscribers;
    await load.ask({ report: { expected } });
    return await use(nodes[0]!, nodes, load);
  } finally {
    await load.end();
    for (const node of nodes) await node.end();
  }
}

/** What the subscribers got: nearly all of it, or the figures would be of something else. */
async function whole(load: Child, expected: number): Promise<LoadReport> {
  const report = await load.ask<LoadReport>({ report: { expected } });
  if (report.deliveries >= 0.999 * expected) return report;
  throw new Error(`Deliveries are missing: ${report.deliveries} of ${expected} came`);
}

function sum(children: readonly Child[]): number {
  return children.reduce((micros, child) => micros + child.cpuMicros(), 0);
}
