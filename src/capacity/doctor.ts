/**
 * `deno task doctor`: what a wanted number of sessions needs of this machine, and what it has.
 *
 * Exit codes: 0 if all is there, 1 if something is to change, 2 for a wrong command line.
 */

import { parseArgs } from "node:util";
import type { TransportKind } from "../transport/transport.ts";
import { capacityOf } from "./capacity.ts";
import { readLimits, readSystemFile } from "./read_limits.ts";
import { type Need, tuningFor, type Wish } from "./tuning.ts";

const HELP = `Usage: deno task doctor -- [options]

  --sessions <n>     sessions at once on this node                                     10000
  --transport <name> webtransport, websocket or sse; may be repeated                   all three
  --datagrams <n>    datagrams that each client sends, a second                        20
  --help             this text
`;

const TRANSPORTS: readonly TransportKind[] = ["webtransport", "websocket", "sse"];

if (import.meta.main) Deno.exit(main(Deno.args));

function main(args: readonly string[]): number {
  let wish: Wish | "help";
  try {
    wish = readWish(args);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    print(Deno.stderr, `${message}\nSee deno task doctor -- --help\n`);
    return 2;
  }
  if (wish === "help") {
    print(Deno.stdout, HELP);
    return 0;
  }
  const limits = readLimits();
  const needs = tuningFor(wish, limits, readSystemFile);
  print(Deno.stdout, report(wish, needs, capacityOf(limits).sessions));
  return needs.every(isMet) ? 0 : 1;
}

/** @throws {TypeError} If the command line is wrong, naming what was expected. */
function readWish(args: readonly string[]): Wish | "help" {
  const { values } = parseArgs({
    // `deno task doctor -- --sessions 1` brings the first dashes along.
    args: args[0] === "--" ? args.slice(1) : [...args],
    options: {
      sessions: { type: "string", default: "10000" },
      transport: { type: "string", multiple: true },
      datagrams: { type: "string", default: "20" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return "help";
  const transports = values.transport?.map((name) => {
    const found = TRANSPORTS.find((kind) => kind === name);
    if (found === undefined) {
      throw new TypeError(`--transport must be one of ${TRANSPORTS.join(", ")}: ${name}`);
    }
    return found;
  });
  return {
    sessions: toCount("--sessions", values.sessions),
    transports: transports ?? TRANSPORTS,
    datagramsPerSecond: toCount("--datagrams", values.datagrams),
  };
}

function toCount(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new TypeError(`${option} must be a whole number from 1 to 999999999: ${text}`);
  }
  return Number(text);
}

/** The needs as text, one paragraph each. */
function report(
  { sessions, transports }: Wish,
  needs: readonly Need[],
  carried: Readonly<Record<TransportKind, number>>,
): string {
  const paragraphs = needs.map((need) => {
    const { name, needed, now, unit, why, change } = need;
    const met = isMet(need);
    const has = now === undefined ? "unknown" : format(now, unit);
    return `${met ? "OK    " : "CHANGE"}  ${name}: needed ${format(needed, unit)}, now ${has}\n` +
      `        ${why}\n` + (met ? "" : `        → ${change}\n`);
  });
  return `${sessions} sessions over ${transports.join(", ")}\n\n${paragraphs.join("")}\n` +
    `As it is, this machine carries ${carried.webtransport} WebTransport, ${carried.websocket} ` +
    `WebSocket or ${carried.sse} SSE sessions, idle, of one kind alone.\n` +
    "A sysctl holds until the next boot; /etc/sysctl.d/ keeps it.\n";
}

function isMet({ now, needed }: Need): boolean {
  return now !== undefined && now >= needed;
}

function format(amount: number, unit: Need["unit"]): string {
  if (amount === Infinity) return "unlimited";
  if (unit !== "bytes") return `${amount}${unit && ` ${unit}`}`;
  return amount >= 1e9 ? `${(amount / 1e9).toFixed(1)} GB` : `${(amount / 1e6).toFixed(1)} MB`;
}

function print(stream: typeof Deno.stdout, text: string): void {
  stream.writeSync(new TextEncoder().encode(text));
}
