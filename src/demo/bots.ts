/**
 * Flies bots in the arena of a running server, from a process of its own and through the SDK alone:
 * each is a client with a session, and knows what its own view shows.
 *
 * Run by `deno task bots`; the server must let in programs (`--allow-missing-origin`).
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Client, connect, type Subscription, type TransportKind } from "../client/mod.ts";
import { seededRandom } from "../policy/random.ts";
import { cellsAround, shipOf } from "../web/arena_rules.js";
import { decide } from "./pilot.ts";

/** How bots are flown. */
export interface BotsOptions {
  readonly url: string;
  readonly count: number;
  /** Spread over the bots in turn. */
  readonly transports: readonly TransportKind[];
}

/** A cell, as it is published. */
interface Cell {
  readonly t: number;
  readonly s: readonly number[][];
  readonly g: readonly (readonly [number, number])[];
}

type ShipView = ReturnType<typeof shipOf>;

/** One bot: looks at the cells around it, and says which buttons it holds when that changes. */
export class Bot {
  readonly client: Client;
  /** World publications that came in, in count. */
  received = 0;
  readonly #mood: number;
  readonly #cells = new Map<string, Cell>();
  readonly #name: { readonly name: string; readonly hue: number };
  #tracked = new Set<string>();
  #world: Subscription | undefined;
  #own: ShipView | undefined;
  #shipId = 0;
  #seq = 0;
  #buttons = -1;
  #saidMs = 0;

  constructor(url: string, transport: TransportKind, index: number) {
    const random = seededRandom(index);
    this.#mood = random();
    this.#name = { name: `Bot ${index + 1}`, hue: Math.floor(random() * 360) };
    this.client = connect(url, { transports: [transport] });
  }

  /** Resolves when the bot flies. */
  async start(): Promise<void> {
    await this.client.ready;
    const { ship } = await this.client.rpc<{ ship: number }>("arena.join", this.#name);
    this.#shipId = ship;
    this.#tracked = new Set([`@${ship}`]);
    this.#world = this.client.channel("arena:1").subscribe({
      keys: this.#tracked,
      onPublication: ({ key, data, removed }) => this.#see(key!, data, removed),
    });
    await this.#world.ready;
  }

  /** Thinks once, and says what it does where that is new. */
  fly(nowMs: number): void {
    const own = this.#own;
    if (own === undefined || this.client.state !== "connected") return;
    this.#look(own);
    const buttons = decide(own, this.#others(), this.#gems(), this.#mood);
    if (buttons === this.#buttons && nowMs - this.#saidMs < REPEAT_MS) return;
    this.#buttons = buttons;
    this.#saidMs = nowMs;
    this.client.channel("arena-in:1")
      .publish([[++this.#seq, buttons]], { key: this.client.session!, acknowledge: false })
      // What is lost is said again.
      .catch(() => {});
  }

  #see(key: string, data: unknown, removed: boolean): void {
    this.received++;
    if (removed) return void this.#cells.delete(key);
    if (key.startsWith("@")) {
      if (key === `@${this.#shipId}`) this.#own = shipOf(data as number[]);
      return;
    }
    // What was under way when the view moved on.
    if (!this.#tracked.has(key)) return;
    const cell = data as Cell;
    this.#cells.set(key, cell);
    for (const tuple of cell.s) if (tuple[0] === this.#shipId) this.#own = shipOf(tuple);
  }

  #look({ x, y }: ShipView): void {
    const wanted = cellsAround(x, y, VIEW, VIEW).add(`@${this.#shipId}`);
    const add = [...wanted.difference(this.#tracked)];
    const remove = [...this.#tracked.difference(wanted)];
    if (add.length + remove.length === 0) return;
    this.#tracked = wanted;
    for (const key of remove) this.#cells.delete(key);
    this.#world!.track(add, remove);
  }

  *#others(): Iterable<ShipView> {
    for (const { s } of this.#cells.values()) {
      for (const tuple of s) if (tuple[0] !== this.#shipId && tuple[6]! > 0) yield shipOf(tuple);
    }
  }

  *#gems(): Iterable<readonly [number, number]> {
    for (const { g } of this.#cells.values()) yield* g;
  }
}

/** Starts the bots, ten at a time; those that cannot come in are counted. */
export async function startBots(
  { url, count, transports }: BotsOptions,
): Promise<{ bots: Bot[]; failed: Error[] }> {
  const bots: Bot[] = [];
  const failed: Error[] = [];
  for (let first = 0; first < count; first += 10) {
    const starting = Array.from({ length: Math.min(10, count - first) }, (_, at) => {
      const index = first + at;
      return new Bot(url, transports[index % transports.length]!, index);
    });
    for (
      const [at, { status, ...rest }] of (await Promise.allSettled(
        starting.map((bot) => bot.start()),
      )).entries()
    ) {
      if (status === "fulfilled") bots.push(starting[at]!);
      else {
        starting[at]!.client.close();
        failed.push((rest as { reason: Error }).reason);
      }
    }
  }
  return { bots, failed };
}

/** Side of what a bot sees: somewhat less than a player does. */
const VIEW = 700;
/** A third of the patience of the server. */
const REPEAT_MS = 1500;
/** Seven and a half thoughts a second: quick enough to hit, slow enough to be hit. */
const THINK_MS = 133;

const USAGE = `deno task bots [options]
  --count <n>           bots (100)
  --url <url>           the server (http://localhost:8080)
  --transports <names>  which they take in turn (webtransport,websocket,sse)
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100" },
      url: { type: "string", default: "http://localhost:8080" },
      transports: { type: "string", default: "webtransport,websocket,sse" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return say(USAGE);
  const count = Number(values.count);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`--count must be a whole number from 1: ${values.count}`);
  }
  const { bots, failed } = await startBots({
    url: values.url,
    count,
    transports: values.transports.split(",") as TransportKind[],
  });
  say(
    `${bots.length} of ${count} bots fly${
      failed[0] ? `; one could not: ${failed[0].message}` : ""
    }`,
  );
  if (bots.length === 0) Deno.exit(1);
  setInterval(() => {
    for (const bot of bots) bot.fly(performance.now());
  }, THINK_MS);
  let before = 0;
  setInterval(async () => {
    const received = bots.reduce((sum, bot) => sum + bot.received, 0);
    const { load } = await bots[0]!.client.rpc<Standings>("arena.standings");
    const [work, late] = [load.workMs, load.lateMs].map(({ p50, p99 }) =>
      `${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`
    );
    say(`${Math.round((received - before) / 5)} updates/s; server's tick ${work}, late by ${late}`);
    before = received;
  }, 5000);
}

interface Standings {
  readonly load: Record<"workMs" | "lateMs", { readonly p50: number; readonly p99: number }>;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    say(`${(error as Error).message}

${USAGE}`);
    Deno.exit(2);
  }
}
