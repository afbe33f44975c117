import { fileURLToPath } from "node:url";
import { Link } from "../../link/link.ts";
import type { Child } from "../child.ts";
import type { Ages } from "./client.ts";

/** A server and a way to reach it. */
export interface Contender {
  readonly name: string;
  readonly way: "webtransport" | "websocket" | "ws" | "socket.io";
  /** Of Slipstream; its namespace says how it delivers. */
  readonly channel?: string;
}

/** What one run does to its packets, and how long it takes. */
export interface Run {
  /** Part of the packets that are lost: 0 to 1. */
  readonly loss: number;
  readonly rttMs: number;
  readonly seconds: number;
  readonly subscribers: number;
  readonly seed: number;
  /** Of TCP, as Linux calls it; without it the machine's. */
  readonly congestion: string | undefined;
}

/** Ages in milliseconds, and the part of the updates that never came. */
export interface Freshness {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Of what a player sees: 99 % of the frames show something no older. */
  readonly screenP99Ms: number;
  readonly unseen: number;
}

/** How long the values took that were followed by a pause: the last ones, for a while. */
export interface Settling {
  readonly values: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Values that never came. */
  readonly missing: number;
}

const UPDATES_PER_SECOND = 60;
/** Keys that pause as long as this have gone quiet. */
const PAUSE_MICROS = 1e6;
/** What is still on its way is let in, in milliseconds. */
const TAIL_MS = 3000;
const WARM_UP_TURNS = 60;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const deno = [Deno.execPath(), "run", "-A", "--no-check"];

/** Ages of a stream of sixty updates a second. */
export async function freshness(contender: Contender, run: Run): Promise<Freshness> {
  return await withBoth(contender, run, async (server, client, link) => {
    const everyMs = 1000 / UPDATES_PER_SECOND;
    const turns = Math.round(run.seconds * UPDATES_PER_SECOND);
    await server.ask({ publish: { perTurn: 1, everyMs, turns: WARM_UP_TURNS } });
    await link.set({ loss: run.loss });
    await client.ask({ begin: true });
    await server.ask({ publish: { perTurn: 1, everyMs, turns } });
    await link.set({ loss: 0 });
    const { screen } = await client.ask<Ages>({ report: true });
    await wait(TAIL_MS);
    const { arrival } = await client.ask<Ages>({ report: true });
    const ages = [...arrival].sort((a, b) => a - b);
    return {
      p50Ms: quantile(ages, 0.5),
      p99Ms: quantile(ages, 0.99),
      p999Ms: quantile(ages, 0.999),
      screenP99Ms: quantile([...screen].sort((a, b) => a - b), 0.99),
      unseen: Math.max(0, 1 - ages.length / (turns * run.subscribers)),
    };
  });
}

/** How the last values of many keys settle. */
export async function settling(contender: Contender, run: Run): Promise<Settling> {
  return await withBoth(contender, { ...run, subscribers: 1 }, async (server, client, link) => {
    const everyMs = 1000 / UPDATES_PER_SECOND;
    await link.set({ loss: run.loss });
    const turns = Math.round(run.seconds * UPDATES_PER_SECOND);
    await server.ask({ publish: { perTurn: 10, everyMs, turns } });
    await wait(TAIL_MS);
    const { published } = await server.ask<{ published: [string, number][] }>({ state: true });
    const { seen } = await client.ask<{ seen: [string, number, number][] }>({ seen: true });
    const seenAt = new Map(seen.map(([key, micros, at]) => [`${key} ${micros}`, at]));
    const ages: number[] = [];
    let missing = 0;
    const nextOf = new Map<string, number>();
    for (const [key, micros] of published.toReversed()) {
      const next = nextOf.get(key) ?? Infinity;
      nextOf.set(key, micros);
      if (next - micros < PAUSE_MICROS) continue;
      const at = seenAt.get(`${key} ${micros}`);
      if (at === undefined) missing++;
      else ages.push((at - micros) / 1000);
    }
    ages.sort((a, b) => a - b);
    return { values: ages.length, p99Ms: quantile(ages, 0.99), maxMs: ages.at(-1)!, missing };
  });
}

async function withBoth<Result>(
  contender: Contender,
  run: Run,
  use: (server: Child, client: Child, link: Link) => Promise<Result>,
): Promise<Result> {
  const link = await Link.open(run.seed, run.congestion);
  const folder = await Deno.makeTempDir({ prefix: "slipstream_loss_" });
  const children: Child[] = [];
  try {
    await link.set({ delayMs: run.rttMs / 2 });
    const address = Link.address("near");
    const [server, greeting] = await link.start<{ url?: string; port?: number }>(
      "near",
      serverOf(contender, address, folder),
    );
    children.push(server);
    const url = greeting.url ?? `http://${address}:${greeting.port}`;
    const { way, channel = "-" } = contender;
    const [client] = await link.start("far", [
      "env",
      `DENO_CERT=${folder}/development.crt`,
      ...deno,
      here("client.ts"),
      way,
      url,
      channel,
      String(run.subscribers),
    ]);
    children.unshift(client);
    return await use(server, client, link);
  } finally {
    for (const child of children) await child.end();
    await link.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function serverOf({ way, channel }: Contender, address: string, folder: string): string[] {
  if (channel !== undefined) return [...deno, here("server.ts"), address, folder, channel];
  return ["node", here(`../peers/${way === "ws" ? "ws" : "socket_io"}_server.mjs`), address];
}

/** Of sorted values; NaN if there are none. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.ceil(q * sorted.length) - 1] ?? NaN;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
