import assert from "node:assert/strict";
import { KEEP, startNodes } from "../broker/redis_nodes.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { pause } from "./fleet.ts";
import type { Scale } from "./cases.ts";

const NODES = 40;
const CHANNELS = 50;

/** Kills Redis under many nodes, and returns the line that tells how they came back. */
export async function runHerd({ outageMs }: Scale): Promise<string> {
  const redis = await TestRedis.start();
  const { brokers, close } = await startNodes(NODES, { url: redis.url });
  try {
    for (const broker of brokers) {
      const all = Array.from({ length: CHANNELS }, (_, at) => broker.subscribe(`c${at}`, KEEP));
      await Promise.all(all);
    }
    await redis.kill();
    await pause(outageMs);
    await redis.restart({ empty: true });
    const startMs = performance.now();
    const backMs = new Map<unknown, number>();
    while (backMs.size < NODES) {
      const nowMs = performance.now() - startMs;
      assert(nowMs < 30_000, `${backMs.size} of ${NODES} nodes are back`);
      for (const broker of brokers) {
        if (!backMs.has(broker) && broker.state().connected) backMs.set(broker, nowMs);
      }
      await pause(5);
    }
    await Promise.all(brokers.map((broker) => broker.checked()));
    const subscribed = await redis.ask(async (client) => {
      const counts = await client.pubsub("NUMSUB", "slipstream:{/c0}", "slipstream:{/c49}");
      return [counts[1], counts[3]].map(Number);
    });
    assert.deepEqual(subscribed, [NODES, NODES], "every node hears every channel again");
    const times = [...backMs.values()];
    const busiest = Math.max(
      ...times.map((from) => times.filter((ms) => ms >= from && ms < from + 200).length),
    );
    assert(busiest <= NODES / 2, `${busiest} of ${NODES} nodes came back within 200 ms`);
    const at = (share: number) => Math.round(times[Math.floor(share * (NODES - 1))]!);
    return `${NODES} nodes with ${CHANNELS} channels each, when Redis comes back
    the first after ${at(0)} ms, half after ${at(0.5)} ms, the last after ${at(1)} ms; ` +
      `at most ${busiest} within 200 ms`;
  } finally {
    await close();
    await redis.stop();
  }
}
