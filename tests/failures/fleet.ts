import assert from "node:assert/strict";
import { type Client, CommandError, connect, type TransportKind } from "../../src/client/mod.ts";
import type { RedisOptions } from "../../src/mod.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { FleetNode } from "./fleet_node.ts";
import { type Entry, SentLog } from "./ledger.ts";
import type { NodeState } from "./node.ts";
import { Path } from "./path.ts";
import { ORDERED, Reader, VALUES } from "./reader.ts";

const KINDS: readonly TransportKind[] = ["webtransport", "websocket", "sse"];
/** What waits for Redis in each node, in bytes. */
export const MAX_PENDING_BYTES = 1_000_000;
export const TIMEOUT_MS = 800;
const TICK_MS = 40;
const MOST_IN_FLIGHT = 90;

export interface FleetOptions {
  readonly nodes: number;
  /** Redis as the node reaches it, through a path of its own where there is a port. */
  readonly redis: RedisOptions | { readonly port: number };
  readonly options?: RedisOptions;
}

/** Nodes, each a process, with a reader on each transport at each of them, and a writer. */
export class Fleet {
  readonly nodes: FleetNode[] = [];
  readonly sent = new Map<string, SentLog>(
    [...ORDERED, VALUES].map((name) => [name, new SentLog()]),
  );
  readonly readers: Reader[] = [];
  readonly #writers: Client[] = [];
  readonly #folder: string;
  readonly #states = new Map<FleetNode, NodeState[]>();
  readonly #closed: string[] = [];
  #watching: Promise<void> | undefined;
  #inFlight = 0;
  #running = true;
  #loading = false;
  #loads: Promise<void>[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start({ nodes, redis, options = {} }: FleetOptions): Promise<Fleet> {
    const folder = await Deno.makeTempDir({ prefix: "slipstream_fleet_" });
    const { certPem, keyPem } = await createDevelopmentCertificate();
    await Deno.writeTextFile(`${folder}/development.crt`, certPem);
    await Deno.writeTextFile(`${folder}/development.key`, keyPem);
    await Deno.writeTextFile(`${folder}/development.names`, "localhost\n127.0.0.1\n::1\n");
    const fleet = new Fleet(folder);
    try {
      for (let at = 0; at < nodes; at++) {
        const path = "port" in redis ? new Path(redis.port) : undefined;
        const given = path === undefined ? redis : { url: `redis://127.0.0.1:${path.port}` };
        fleet.nodes.push(
          new FleetNode({
            folder,
            redis: {
              timeoutMs: TIMEOUT_MS,
              maxPendingBytes: MAX_PENDING_BYTES,
              checkIntervalMs: 2000,
              ...given as RedisOptions,
              ...options,
            },
          }, path),
        );
      }
      await Promise.all(fleet.nodes.map((node) => node.start()));
      await fleet.#connect();
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  /** Every writer publishes to every channel, until `rest()`. */
  load(): void {
    this.#loading = true;
    this.#loads = this.#writers.map(async (_, writer) => {
      while (this.#loading) {
        if (this.#inFlight < MOST_IN_FLIGHT * this.#writers.length) {
          for (const channel of this.sent.keys()) void this.publish(writer, channel);
        }
        await pause(TICK_MS);
      }
    });
  }

  /** Ends the load; resolves when all has been answered. */
  async rest(): Promise<void> {
    this.#loading = false;
    await Promise.all(this.#loads);
    await this.until(() => this.#inFlight === 0, "an answer to every publication");
  }

  /** Publishes the writer's next number; resolves with it if it is kept. Never rejects. */
  async publish(writer: number, channel: string): Promise<number | undefined> {
    const log = this.sent.get(channel)!;
    const number = log.next(writer);
    this.#inFlight++;
    try {
      const key = channel === VALUES ? { key: `${writer}` } : {};
      await this.#writers[writer]!.channel<Entry>(channel).publish(
        { writer, number },
        { ...key, acknowledge: true },
      );
      log.outcomes[writer]![number] = "kept";
      return number;
    } catch (error) {
      const refused = error instanceof CommandError;
      if (refused && error.code !== 503) this.#closed.push(`a writer got ${error}`);
      log.outcomes[writer]![number] = refused ? "refused" : "unknown";
      return undefined;
    } finally {
      this.#inFlight--;
    }
  }

  kept(): number {
    let count = 0;
    for (const log of this.sent.values()) count += log.count("kept");
    return count;
  }

  /** Resolves once so many more are kept. */
  async more(count: number): Promise<void> {
    const before = this.kept();
    const what = `${count} more publications kept`;
    await this.until(() => this.kept() >= before + count, what, 30_000 + TICK_MS * count);
  }

  /** Resolves once something new of every writer has come to every reader, in every channel. */
  async settled(): Promise<void> {
    const all = this.#writers.flatMap((_, writer) =>
      [...this.sent.keys()].map((channel) => this.#arrive(writer, channel))
    );
    await Promise.all(all);
  }

  async until(condition: () => boolean, what: string, withinMs = 30_000): Promise<void> {
    const endMs = performance.now() + withinMs;
    while (!condition()) {
      if (performance.now() > endMs) {
        throw new Error(`Not within ${withinMs} ms: ${what}\n${JSON.stringify(this.describe())}`);
      }
      await pause(10);
    }
  }

  /** What an operator would look at if something hangs. */
  describe(): unknown {
    return {
      nodes: this.nodes.map((node) => this.#states.get(node)?.at(-1)),
      readers: this.readers.map(({ client, kind, node, trouble }) => ({
        kind,
        node,
        state: client.state,
        trouble: trouble.slice(-2),
      })),
      writers: this.#writers.map(({ state, transport }) => ({ state, transport })),
      closed: this.#closed,
    };
  }

  /** What became of everything, with the promises asserted. */
  account(): FleetAccount {
    const count = { duplicates: 0, reordered: 0, silent: 0, saidAsGap: 0, gaps: 0, received: 0 };
    let backwards = 0;
    let kept = 0;
    for (const reader of this.readers) {
      for (const [channel, log] of reader.ordered) {
        const { reordered, saidAsGap, silent } = log.audit(this.sent.get(channel)!);
        count.duplicates += log.duplicates;
        count.gaps += log.gaps;
        count.received += log.received;
        count.reordered += reordered;
        count.saidAsGap += saidAsGap;
        count.silent += silent;
        kept += this.sent.get(channel)!.count("kept");
      }
      backwards += reader.values.backwards;
    }
    const states = [...this.#states.values()].flat();
    const logs = [...this.sent.values()];
    const total = (outcome?: "kept" | "refused" | "unknown") =>
      logs.reduce((sum, log) => sum + log.count(outcome), 0);
    const account = {
      sent: total(),
      kept: total("kept"),
      refused: total("refused"),
      unknown: total("unknown"),
      expected: kept,
      ...count,
      longGaps: this.readers.reduce((sum, { ordered }) => sum + ordered.get("long:a")!.gaps, 0),
      backwards,
      readFromHistory: this.nodes.reduce(
        (sum, node) => sum + (this.#states.get(node)?.at(-1)?.readFromHistory ?? 0),
        0,
      ),
      pendingBytes: Math.max(...states.map(({ redis }) => redis.pendingBytes)),
      rssMegabytes: Math.round(Math.max(...states.map(({ rssBytes }) => rssBytes)) / 1e6),
      sessionsKept: this.readers.filter(({ client, session }) => client.session === session).length,
    };
    assert.deepEqual(this.#closed, []);
    const { duplicates, reordered, silent } = count;
    assert.deepEqual({ duplicates, reordered, silent, backwards }, {
      duplicates: 0,
      reordered: 0,
      silent: 0,
      backwards: 0,
    });
    assert(account.pendingBytes <= MAX_PENDING_BYTES, `${account.pendingBytes} bytes wait`);
    assert(account.rssMegabytes < 500, `a node has ${account.rssMegabytes} MB`);
    assert.equal(account.sessionsKept, this.readers.length);
    return account;
  }

  async close(): Promise<void> {
    this.#running = false;
    this.#loading = false;
    await Promise.all(this.#loads);
    const clients = [...this.#writers, ...this.readers.map(({ client }) => client)];
    for (const client of clients) client.close();
    await Promise.all(clients.map(({ closed }) => closed));
    await this.#watching;
    for (const node of this.nodes) await node.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #connect(): Promise<void> {
    for (const [at, node] of this.nodes.entries()) {
      for (const kind of KINDS) {
        const reader = new Reader(at, kind, this.#open(node, kind));
        this.readers.push(reader);
      }
      this.#writers.push(this.#open(node, KINDS[at % KINDS.length]!));
    }
    await Promise.all(this.readers.map((reader) => reader.ready()));
    await Promise.all(this.#writers.map(({ ready }) => ready));
    this.#watching = this.#watch();
  }

  #open(node: FleetNode, kind: TransportKind): Client {
    const client = connect(node.url, { transports: [kind] });
    client.ready.catch(() => {});
    client.on("close", ({ code, reason }) => {
      if (this.#running) this.#closed.push(`${kind} client closed: ${code} ${reason}`);
    });
    return client;
  }

  async #watch(): Promise<void> {
    while (this.#running) {
      await Promise.all(this.nodes.map(async (node) => {
        const state = await node.state();
        if (state === undefined) return;
        const states = this.#states.get(node);
        if (states === undefined) this.#states.set(node, [state]);
        else states.push(state);
      }));
      await pause(200);
    }
  }

  async #arrive(writer: number, channel: string): Promise<void> {
    const endMs = performance.now() + 30_000;
    while (performance.now() < endMs) {
      const number = await this.publish(writer, channel);
      if (number === undefined) {
        await pause(50);
        continue;
      }
      // Where it was said as a gap, another will come.
      const nextMs = performance.now() + 2000;
      while (performance.now() < nextMs) {
        if (this.readers.every((reader) => reader.has(channel, writer, number))) return;
        await pause(10);
      }
    }
    throw new Error(`${channel} has not recovered:\n${JSON.stringify(this.describe())}`);
  }
}

export interface FleetAccount {
  readonly sent: number;
  readonly kept: number;
  readonly refused: number;
  readonly unknown: number;
  /** What all readers of `ordered` channels were to hear. */
  readonly expected: number;
  readonly received: number;
  readonly saidAsGap: number;
  readonly gaps: number;
  /** Of those, in the channel with a long history. */
  readonly longGaps: number;
  readonly readFromHistory: number;
  readonly pendingBytes: number;
  readonly rssMegabytes: number;
  readonly sessionsKept: number;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
