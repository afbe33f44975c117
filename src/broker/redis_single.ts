import { Redis } from "ioredis";
import type { Buffer } from "node:buffer";
import type { RedisOptions } from "../options.ts";
import type { TimerId } from "../policy/clock.ts";
import { REDIS_SCRIPTS, type RedisScripts } from "./redis_scripts.ts";
import type { RedisServer, RedisServerContext, RedisServerListener } from "./redis_server.ts";
import { OutageReport, type SocketOptions, socketOptions } from "./redis_socket.ts";
import { addressName, parseRedisUrl } from "./redis_url.ts";

/** One Redis server, or the one that Sentinels say: a socket for commands, one for pub/sub. */
export class RedisSingle implements RedisServer {
  readonly name: string;
  readonly sharded = false;
  readonly #commands: Redis;
  readonly #subscriber: Redis;
  readonly #report: OutageReport;
  readonly #context: RedisServerContext;
  readonly #revivals = new Set<TimerId>();
  #run = "";
  #closed = false;

  constructor(name: string, address: SocketOptions, context: RedisServerContext) {
    this.name = name;
    this.#context = context;
    this.#report = new OutageReport(name, context.onError);
    const commands: SocketOptions = { enableAutoPipelining: true, scripts: REDIS_SCRIPTS };
    this.#commands = new Redis({ ...socketOptions(context), ...commands, ...address });
    this.#subscriber = new Redis({ ...socketOptions(context), ...address });
    for (const socket of this.sockets(true)) {
      socket.on("error", this.#report.error);
      socket.on("ready", this.#report.ready);
      socket.on("end", () => this.#revive(socket));
    }
    // Whoever answers after this may be another run.
    this.#commands.on("close", () => this.#run = "");
  }

  /** The server at a URL. */
  static at(url: string, options: RedisOptions, context: RedisServerContext): RedisSingle {
    const address = parseRedisUrl(url, options);
    return new RedisSingle(addressName(address), address, context);
  }

  /** The server that Sentinels watch over. */
  static watched(options: RedisOptions, context: RedisServerContext): RedisSingle {
    const { urls, name, username, password } = options.sentinels!;
    const sentinels = urls.map((url) => parseRedisUrl(url, options, 26379));
    const [first] = sentinels;
    return new RedisSingle(name, {
      name,
      sentinels: sentinels.map(({ host, port }) => ({ host, port })),
      // Sentinels say when they have replaced the server, so that nobody waits for the old one.
      failoverDetector: true,
      sentinelRetryStrategy: (attempt) => Math.min(100 * attempt, 2000),
      sentinelCommandTimeout: context.timeoutMs,
      ...(first?.username !== undefined && { sentinelUsername: first.username }),
      ...(first?.password !== undefined && { sentinelPassword: first.password }),
      ...(first?.tls && {
        tls: first.tls,
        sentinelTLS: first.tls,
        enableTLSForSentinelMode: true,
      }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
    }, context);
  }

  get scripts(): RedisScripts {
    return this.#commands as unknown as RedisScripts;
  }

  get connected(): boolean {
    return this.#commands.status === "ready" && this.#subscriber.status === "ready";
  }

  async connect(listener: RedisServerListener): Promise<void> {
    this.#subscriber.on("messageBuffer", (channel: Buffer, message: Buffer) => {
      listener.message(channel.toString(), message);
    });
    this.#commands.on("ready", () => listener.commandsReady());
    this.#subscriber.on("ready", () => listener.ready(this.#subscriber));
    try {
      await Promise.all([this.#commands.connect(), this.#subscriber.connect()]);
    } catch {
      throw this.#report.outOfReach();
    }
  }

  socketOf(): Redis {
    return this.#subscriber;
  }

  *sockets(commandsToo = false): Iterable<Redis> {
    if (commandsToo) yield this.#commands;
    yield this.#subscriber;
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  ping(): Promise<unknown> {
    return this.#commands.ping();
  }

  runOf(): string {
    return this.#run;
  }

  learnRun(_channel: string, run: string): void {
    this.#run = run;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#revivals) this.#context.clock.clearTimeout(timer);
    for (const socket of this.sockets(true)) socket.disconnect();
  }

  /**
   * ioredis gives up a socket for good if Sentinels tell of a failover while it asks them for the
   * server.
   */
  #revive(socket: Redis): void {
    if (this.#closed) return;
    const { clock, random } = this.#context;
    const timer = clock.setTimeout(() => {
      this.#revivals.delete(timer);
      socket.connect().catch(() => {});
    }, REVIVE_MS * (0.5 + random()));
    this.#revivals.add(timer);
  }
}

/** About as long as a first attempt to come back. */
const REVIVE_MS = 100;
