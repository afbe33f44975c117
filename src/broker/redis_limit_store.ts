import { RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import type { LimitStore } from "./limit_store.ts";
import type { RedisBroker } from "./redis_broker.ts";
import type { RedisServer } from "./redis_server.ts";

export interface RedisLimitStoreOptions {
  /** Started before and closed after. */
  readonly broker: RedisBroker;
  /** The name of this node, unlike any other's. */
  readonly node: string;
  /** How long what a node has counts after it has died, in milliseconds. */
  readonly ttlMs: number;
}

/**
 * Limits of the nodes that share Redis. A rate is one counter that ends with its second; a number is
 * one hash, in which each node says how many it has and until when that holds. Each is one key, so
 * that it may lie on any server and in any slot of a Cluster.
 */
export class RedisLimitStore implements LimitStore {
  readonly ttlMs: number;
  readonly #broker: RedisBroker;
  readonly #node: string;
  /** By server and rate, of which there are as many as options. */
  readonly #limiters = new Map<RedisServer, Map<number, RateLimiterRedis>>();

  constructor({ broker, node, ttlMs }: RedisLimitStoreOptions) {
    this.#broker = broker;
    this.#node = node;
    this.ttlMs = ttlMs;
  }

  // Async, so that what is too much rejects.
  async take(name: string, perSecond: number, points: number): Promise<number> {
    const { requests } = this.#broker;
    const { server, key } = this.#placeOf(name, "rate");
    requests.admit(0);
    const limiter = this.#limiter(server, perSecond);
    return await requests.answer(limiter.consume(key, points).then(granted, refused));
  }

  async claim(name: string, has: number, wants: number, max: number): Promise<number> {
    const { requests } = this.#broker;
    const { server, key } = this.#placeOf(name, "count");
    requests.admit(0);
    return await requests.answer(
      server.scripts.slipClaim(key, this.#node, has, wants, max, Math.ceil(this.ttlMs)),
    );
  }

  #limiter(server: RedisServer, perSecond: number): RateLimiterRedis {
    let ofServer = this.#limiters.get(server);
    if (ofServer === undefined) this.#limiters.set(server, ofServer = new Map());
    let limiter = ofServer.get(perSecond);
    if (limiter === undefined) {
      limiter = new RateLimiterRedis({
        // The package would define its script on the client, where pipelines that are under way
        // would not have it; this one is there from the beginning.
        storeClient: { rlflxIncr: (args: string[]) => server.scripts.slipTake(...args) },
        points: perSecond,
        duration: 1,
        keyPrefix: "",
      });
      ofServer.set(perSecond, limiter);
    }
    return limiter;
  }

  #placeOf(name: string, kind: "rate" | "count") {
    const { server, keys } = this.#broker.placeOf(name);
    return { server, key: `${keys.channel}:${kind}` };
  }
}

function granted(): number {
  return 0;
}

/** The package rejects with what is left as well as with errors. */
function refused(reason: unknown): number {
  if (reason instanceof RateLimiterRes) return Math.max(1, reason.msBeforeNext);
  throw reason;
}
