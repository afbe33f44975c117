import type { Redis } from "ioredis";
import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import type { RedisScripts } from "./redis_scripts.ts";

/** What is told of a server's pub/sub. */
export interface RedisServerListener {
  message(channel: string, message: Uint8Array): void;
  /** A socket has come (back) and has no subscriptions. */
  ready(socket: Redis): void;
  /** Commands reach it (again). */
  commandsReady(): void;
  /** {@linkcode RedisServer.socketOf} may answer otherwise than before. */
  moved(): void;
}

/** What channels may lie on: one Redis server, one that Sentinels replace, or one Cluster. */
export interface RedisServer {
  /** How it is called in errors and metrics; no password is in it. */
  readonly name: string;
  readonly scripts: RedisScripts;
  /** Cluster publishes to the shard alone (Redis 7). */
  readonly sharded: boolean;
  /** Whether commands and subscriptions reach it. */
  readonly connected: boolean;
  /** Called once. @throws {Error} If it cannot be reached in time. */
  connect(listener: RedisServerListener): Promise<void>;
  /** The socket on which a channel of Redis is heard; `undefined` while nobody knows. */
  socketOf(channel: string): Redis | undefined;
  /** All sockets for pub/sub. */
  sockets(): Iterable<Redis>;
  /** Finds out anew what is where. */
  refresh(): Promise<void>;
  /** Sends a PING over every socket for commands. */
  ping(): Promise<unknown>;
  /** The run of Redis that answered last where `channel` is; "" for unknown. */
  runOf(channel: string): string;
  /** Takes the run that a script has answered with. */
  learnRun(channel: string, run: string): void;
  close(): void;
}

/** What servers need of their node. */
export interface RedisServerContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  /** Is told once that a server is out of reach, until it is back. */
  readonly onError: (error: unknown) => void;
}
