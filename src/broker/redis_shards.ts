import type { RedisOptions } from "../options.ts";
import { RedisCluster } from "./redis_cluster.ts";
import type { RedisServer, RedisServerContext } from "./redis_server.ts";
import { RedisSingle } from "./redis_single.ts";

/**
 * The servers that options name.
 *
 * @throws {TypeError} If they name none, or name them in two ways, or a URL is none.
 */
export function openServers(options: RedisOptions, context: RedisServerContext): RedisServer[] {
  const { url, urls, sentinels, cluster } = options;
  const ways = [url, urls, sentinels, cluster].filter((way) => way !== undefined).length;
  if (ways !== 1) {
    throw new TypeError(`Redis needs one of url, urls, sentinels and cluster: ${ways} given`);
  }
  if (cluster !== undefined) return [new RedisCluster(options, context)];
  if (sentinels !== undefined) return [RedisSingle.watched(options, context)];
  return (urls ?? [url!]).map((each) => RedisSingle.at(each, options, context));
}

/**
 * Which of several servers a channel lies on: rendezvous hashing (Thaler and Ravishankar, 1998).
 * The one with the highest score has it, so that a server more takes its share of the channels and
 * moves no other.
 *
 * @param names What the servers are called, the same on every node; one at least.
 * @returns Its index.
 */
export function shardOf(names: readonly string[], channel: string): number {
  if (names.length === 1) return 0;
  let best = 0;
  let highest = -1;
  for (let at = 0; at < names.length; at++) {
    const score = mixed(fnv1a(channel, fnv1a(names[at]!, 0x811c9dc5)));
    if (score > highest) [best, highest] = [at, score];
  }
  return best;
}

/** FNV-1a over UTF-16 code units, 32 bits. */
function fnv1a(text: string, hash: number): number {
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash;
}

/** The finalizer of MurmurHash3: FNV alone leaves the scores of similar names in step. */
function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
