import type { RedisState } from "../broker/redis_broker.ts";

/** What {@linkcode readiness} looks at. */
export interface HealthParts {
  /** Why the door takes nobody; `undefined` while it takes clients. */
  readonly closedBy: "draining" | "capacity" | undefined;
  /** `undefined` where the node stands alone. */
  readonly redis: RedisState | undefined;
}

/**
 * Answers `/readyz`: 200 while the node takes sessions, else 503 with the reasons, so that a balancer
 * sends clients elsewhere. Redis servers are numbered, in the order of the configuration: their
 * names and addresses are nobody's business here.
 */
export function readiness({ closedBy, redis }: HealthParts): Response {
  const shards = redis?.shards.map(({ connected, lagMs }, shard) => ({ shard, connected, lagMs }));
  const reasons: string[] = closedBy === undefined ? [] : [closedBy];
  for (const { shard, connected } of shards ?? []) {
    if (!connected) reasons.push(`redis shard ${shard} is out of reach`);
  }
  const ready = reasons.length === 0;
  const body = {
    ready,
    reasons,
    ...(redis && { redis: { pendingBytes: redis.pendingBytes, lagMs: redis.lagMs, shards } }),
  };
  return Response.json(body, { status: ready ? 200 : 503, headers: NO_STORE });
}

/** Answers `/livez`: whoever reads it has found the event loop running. */
export function liveness(): Response {
  return Response.json({ live: true }, { headers: NO_STORE });
}

const NO_STORE = { "cache-control": "no-store" };
