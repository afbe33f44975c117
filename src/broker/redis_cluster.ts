import keySlot from "cluster-key-slot";
import { Cluster, Redis } from "ioredis";
import type { Buffer } from "node:buffer";
import type { RedisOptions } from "../options.ts";
import { REDIS_SCRIPTS, type RedisScripts } from "./redis_scripts.ts";
import type { RedisServer, RedisServerContext, RedisServerListener } from "./redis_server.ts";
import { OutageReport, socketOptions } from "./redis_socket.ts";
import { addressName, parseRedisUrl } from "./redis_url.ts";

/**
 * One Redis Cluster: ioredis routes commands; a socket for pub/sub goes to each master that has
 * channels of ours, as a shard publishes to its own sockets alone.
 */
export class RedisCluster implements RedisServer {
  readonly name: string;
  readonly sharded = true;
  readonly #commands: Cluster;
  readonly #context: RedisServerContext;
  readonly #auth: { username?: string; password?: string; tls?: { ca?: string } };
  readonly #report: OutageReport;
  /** By the master's address. */
  readonly #sockets = new Map<string, Redis>();
  readonly #runs = new Map<string, string>();
  #listener: RedisServerListener | undefined;

  constructor(options: RedisOptions, context: RedisServerContext) {
    const addresses = options.cluster!.map((url) => parseRedisUrl(url, options));
    this.name = addresses.map(addressName).join(",");
    this.#context = context;
    this.#report = new OutageReport(this.name, context.onError);
    const { username, password, tls } = addresses[0]!;
    this.#auth = {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls !== undefined && { tls }),
    };
    const { retryStrategy: _1, enableOfflineQueue: _2, ...perNode } = socketOptions(context);
    this.#commands = new Cluster(addresses.map(({ host, port }) => ({ host, port })), {
      lazyConnect: true,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      scripts: REDIS_SCRIPTS,
      slotsRefreshTimeout: context.timeoutMs,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      // Redis may have done what was under way when a socket closed.
      retryDelayOnFailover: 0,
      maxRedirections: 4,
      clusterRetryStrategy: (attempt) =>
        (0.5 + context.random()) * Math.min(100 * 2 ** attempt, 2000),
      redisOptions: { ...perNode, ...this.#auth },
    });
    this.#commands.on("error", this.#report.error);
    this.#commands.on("node error", this.#report.error);
    this.#commands.on("ready", () => {
      this.#report.ready();
      this.#listener?.commandsReady();
    });
    this.#commands.on("refresh", () => this.#reroute());
    this.#commands.on("+node", (node: Redis) => {
      const { host, port } = node.options;
      node.on("ready", () => this.#listener?.commandsReady());
      node.on("close", () => this.#runs.delete(`${host}:${port}`));
    });
  }

  get scripts(): RedisScripts {
    return this.#commands as unknown as RedisScripts;
  }

  get connected(): boolean {
    if (this.#commands.status !== "ready") return false;
    for (const { status } of this.#commands.nodes("master")) {
      if (status !== "ready" && status !== "wait") return false;
    }
    for (const { status } of this.#sockets.values()) if (status !== "ready") return false;
    return true;
  }

  async connect(listener: RedisServerListener): Promise<void> {
    this.#listener = listener;
    try {
      await this.#commands.connect();
      await this.#openMasters();
    } catch (error) {
      if (this.#report.last === undefined) this.#report.last = error as Error;
      throw this.#report.outOfReach();
    }
  }

  socketOf(channel: string): Redis | undefined {
    const node = this.#nodeOf(channel);
    if (node === undefined) return undefined;
    return this.#sockets.get(node) ?? this.#open(node);
  }

  sockets(): Iterable<Redis> {
    return this.#sockets.values();
  }

  refresh(): Promise<void> {
    return new Promise((resolve) => this.#commands.refreshSlotsCache(() => resolve()));
  }

  ping(): Promise<unknown> {
    return Promise.all(this.#commands.nodes("master").map((node) => node.ping()));
  }

  runOf(channel: string): string {
    return this.#runs.get(this.#nodeOf(channel) ?? "") ?? "";
  }

  learnRun(channel: string, run: string): void {
    const node = this.#nodeOf(channel);
    if (node !== undefined) this.#runs.set(node, run);
  }

  close(): void {
    this.#listener = undefined;
    this.#commands.disconnect();
    for (const socket of this.#sockets.values()) socket.disconnect();
    this.#sockets.clear();
  }

  #nodeOf(channel: string): string | undefined {
    return this.#commands.slots[keySlot(channel)]?.[0];
  }

  #open(node: string): Redis {
    const colon = node.lastIndexOf(":");
    const socket = new Redis({
      ...socketOptions(this.#context),
      ...this.#auth,
      host: node.slice(0, colon),
      port: Number(node.slice(colon + 1)),
    });
    this.#sockets.set(node, socket);
    socket.on("error", this.#report.error);
    socket.on("ready", () => this.#listener?.ready(socket));
    socket.on("moved", () => this.#commands.refreshSlotsCache());
    // A master that is gone may have been replaced.
    socket.on("close", () => this.#commands.refreshSlotsCache());
    socket.on("smessageBuffer", (channel: Buffer, message: Buffer) => {
      this.#listener?.message(channel.toString(), message);
    });
    socket.connect().catch(() => {});
    return socket;
  }

  /**
   * Opens the sockets of masters that have none yet: ioredis would with the first command, and refuse
   * those that come until it is open.
   */
  async #openMasters(): Promise<void> {
    const masters = this.#commands.nodes("master");
    await Promise.allSettled(masters.map((node) => node.status === "ready" || node.ping()));
  }

  #reroute(): void {
    if (this.#listener === undefined) return;
    // While it connects, ioredis is at its sockets itself.
    if (this.#commands.status === "ready") void this.#openMasters();
    this.#listener.moved();
    const masters = new Set(this.#commands.slots.map((nodes) => nodes[0]));
    for (const [node, socket] of this.#sockets) {
      if (masters.has(node)) continue;
      this.#sockets.delete(node);
      socket.disconnect();
    }
  }
}

/** A failover is noticed at once by closed sockets; a slot that moves in peace, by this. */
const SLOTS_REFRESH_MS = 10_000;
