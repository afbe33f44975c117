import process from "node:process";
import type { RedisBroker } from "../broker/redis_broker.ts";
import type { RedisLimitStore } from "../broker/redis_limit_store.ts";
import type { RedisOnceStore } from "../broker/redis_once_store.ts";
import type { RedisSessionStore } from "../broker/redis_session_store.ts";
import type { RedisPresence } from "../broker/redis_presence.ts";

/** What a node needs of Redis. */
export interface RedisModules {
  readonly RedisBroker: typeof RedisBroker;
  readonly RedisLimitStore: typeof RedisLimitStore;
  readonly RedisOnceStore: typeof RedisOnceStore;
  readonly RedisPresence: typeof RedisPresence;
  readonly RedisSessionStore: typeof RedisSessionStore;
}

let loaded: Promise<RedisModules> | undefined;

/**
 * Loads what speaks to Redis, which a node that stands alone does without.
 *
 * The package `debug`, of ioredis, lists the whole environment when it is loaded, for which Deno
 * would want permission. Until it is loaded the list is empty, and a variable that may not be read
 * is not set.
 */
export function loadRedis(): Promise<RedisModules> {
  return loaded ??= load();
}

async function load(): Promise<RedisModules> {
  const { env } = process;
  // Of an empty object, as a proxy of `env` itself would have its keys compared with the real ones.
  process.env = new Proxy<typeof env>({}, {
    get(_target, name) {
      try {
        return Reflect.get(env, name);
      } catch {
        return undefined;
      }
    },
  });
  try {
    const [
      { RedisBroker },
      { RedisLimitStore },
      { RedisOnceStore },
      { RedisPresence },
      { RedisSessionStore },
    ] = await Promise.all([
      import("../broker/redis_broker.ts"),
      import("../broker/redis_limit_store.ts"),
      import("../broker/redis_once_store.ts"),
      import("../broker/redis_presence.ts"),
      import("../broker/redis_session_store.ts"),
    ]);
    return { RedisBroker, RedisLimitStore, RedisOnceStore, RedisPresence, RedisSessionStore };
  } finally {
    process.env = env;
  }
}
