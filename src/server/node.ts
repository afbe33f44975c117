import { MemoryBroker } from "../broker/memory_broker.ts";
import { MemoryPresence } from "../broker/memory_presence.ts";
import { MemoryStore } from "../broker/memory_store.ts";
import type { Broker } from "../broker/broker.ts";
import type { Presence } from "../broker/presence.ts";
import type { RedisState } from "../broker/redis_broker.ts";
import { Cork } from "../hub/cork.ts";
import { Hub } from "../hub/hub.ts";
import { Namespaces } from "../hub/namespaces.ts";
import { Admission } from "../policy/admission.ts";
import { Heartbeat } from "../policy/heartbeat.ts";
import { TimerWheel } from "../policy/timer_wheel.ts";
import type { ResolvedOptions } from "../resolve_options.ts";
import { loadRedis } from "./load_redis.ts";
import { SessionRegistry } from "../session/session_registry.ts";

/** What a node is below its listeners: broker, channels and sessions. */
export interface Node {
  readonly hub: Hub;
  readonly sessions: SessionRegistry;
  /** How Redis is; `undefined` where the node stands alone. */
  readonly redis: () => RedisState | undefined;
  /** Ends what is left when the sessions have ended. */
  close(): Promise<void>;
}

/** Puts a node together and starts it. */
export async function startNode(
  options: ResolvedOptions,
  ratePerSecond: number,
  onError: (error: unknown) => void,
): Promise<Node> {
  const { clock, random } = options;
  const { broker, presence, redis } = await openBroker(options, onError);
  const namespaces = new Namespaces(options.namespaces);
  const hub = new Hub({ broker, presence, namespaces, clock, random, onError });
  await hub.start();

  const wheel = new TimerWheel(clock);
  const sessions = new SessionRegistry({
    hub,
    cork: new Cork({ clock }),
    wheel,
    heartbeat: new Heartbeat(options.heartbeat, wheel, random),
    options: options.session,
    rpc: options.rpc,
    reconnectSpreadMs: options.reconnectSpreadMs,
    returnsPerSecond: ratePerSecond,
    // The door judges the rate of transports; here sessions are counted, which outlive them.
    admission: new Admission(
      { ...options.admission, ratePerSecond: Infinity, ratePerSecondPerAddress: Infinity },
      clock,
      random,
    ),
    random,
    onError,
    ...(options.onSlow && { onSlow: options.onSlow }),
  });

  return {
    hub,
    sessions,
    redis,
    async close() {
      await presence.close();
      await broker.close();
    },
  };
}

async function openBroker(
  { redis, clock, random, now }: ResolvedOptions,
  onError: (error: unknown) => void,
): Promise<{ broker: Broker; presence: Presence; redis: () => RedisState | undefined }> {
  if (redis === undefined) {
    const broker = new MemoryBroker(new MemoryStore({ clock, random, now }));
    return { broker, presence: new MemoryPresence(), redis: () => undefined };
  }
  const { RedisBroker, RedisPresence } = await loadRedis();
  const broker = new RedisBroker({ redis, clock, random, onError });
  const ttlMs = redis.presenceTtlMs ?? 60_000;
  const presence = new RedisPresence({ broker, clock, random, ttlMs });
  return { broker, presence, redis: () => broker.state() };
}
