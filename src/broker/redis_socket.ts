import type { Redis, RedisOptions as IoredisOptions } from "ioredis";
import { Backoff } from "../policy/jitter.ts";
import type { RedisServerContext } from "./redis_server.ts";

/** What a socket can be told; how replies look is the same for all. */
export type SocketOptions = Omit<IoredisOptions, "replyMapping">;

/**
 * What every socket to Redis has in common.
 *
 * - Nothing is sent twice: what was under way when a socket closed fails, as nobody can know
 *   whether Redis did it.
 * - Nothing waits for a socket: without one a command fails at once.
 * - A socket on which Redis is silent for `timeoutMs` with an answer due is closed, and tried again
 *   after a random time, so that nodes come back apart.
 */
export function socketOptions({ timeoutMs, random }: RedisServerContext): SocketOptions {
  const backoff = new Backoff({ jitter: "full", baseMs: 100, capMs: 2000 }, random);
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    connectTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableClientInfo: true,
    retryStrategy(attempt) {
      if (attempt === 1) backoff.reset();
      return backoff.nextDelayMs();
    },
    // A master that became a replica: the answer to the next attempt's address is another one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
}

/** Tells once of each outage of a server, however many sockets it has. */
export class OutageReport {
  readonly #name: string;
  readonly #onError: (error: unknown) => void;
  /** Why it is out of reach. */
  last: Error | undefined;

  constructor(name: string, onError: (error: unknown) => void) {
    this.#name = name;
    this.#onError = onError;
  }

  readonly error = (error: Error): void => {
    const first = this.last === undefined;
    this.last = error;
    if (first) this.#onError(this.outOfReach());
  };

  readonly ready = (): void => {
    this.last = undefined;
  };

  outOfReach(): Error {
    const reason = this.last?.message || "no answer";
    return new Error(`Redis is out of reach at ${this.#name}: ${reason}`, { cause: this.last });
  }
}

/** Resolves when a socket is ready; rejects with its end. The caller sees to the time. */
export function whenReady(socket: Redis): Promise<void> {
  if (socket.status === "ready") return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onReady = () => {
      socket.off("end", onEnd);
      resolve();
    };
    const onEnd = () => {
      socket.off("ready", onReady);
      reject(new Error("The socket was closed"));
    };
    socket.once("ready", onReady);
    socket.once("end", onEnd);
  });
}
