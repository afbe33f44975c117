/**
 * What readers that never read cost the server and everyone else: 200 consumers of one channel, of
 * which 20 read nothing, 1 KiB × 500 messages a second for a minute, over WebSocket; once for each
 * choice of what becomes of them, each beside the same without them.
 */
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { encodeClientMessage } from "../../src/protocol/binary.ts";
import { Child } from "./child.ts";
import type { LoadReport } from "./load/client.ts";

const USAGE = `deno task bench:slow [options]
  --consumers <count>   consumers in all (200)
  --stalled <count>     of which never read (20)
  --rate <count>        publications of 1 KiB a second (500)
  --seconds <count>     of each run (60)
  --only <policy>       disconnect, gap or latest; all without it
`;

/** Turns of publishing a second: 500 messages come as ten at once. */
const TURNS = 50;
/** What becomes of a slow consumer, by the namespace of the server. */
const POLICIES = ["disconnect", "gap", "latest"] as const;

interface State {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly pressure: Readonly<Record<string, number>>;
  readonly sessions: number;
  readonly transports: number;
}

interface Run {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly deliveries: number;
  /** Resident memory of the server in MB, a sample for each twelfth of the run. */
  readonly rss: readonly number[];
  readonly state: State;
}

const { values: options } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    consumers: { type: "string", default: "200" },
    stalled: { type: "string", default: "20" },
    rate: { type: "string", default: "500" },
    seconds: { type: "string", default: "60" },
    only: { type: "string" },
  },
});

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const progress = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));

if (options.help) print(USAGE);
else await compare();

async function compare(): Promise<void> {
  const consumers = positive("consumers", options.consumers);
  const stalled = positive("stalled", options.stalled);
  const perTurn = Math.ceil(positive("rate", options.rate) / TURNS);
  const seconds = positive("seconds", options.seconds);
  const reading = consumers - stalled;
  print(
    `${reading} readers and ${stalled} that never read, 1 KiB × ${perTurn * TURNS}/s, ` +
      `${seconds} s a run, WebSocket`,
  );
  for (const policy of POLICIES.filter((name) => name === (options.only ?? name))) {
    progress(`${policy}: without those who never read`);
    const without = await run(policy, reading, 0, perTurn, seconds);
    progress(`${policy}: with them`);
    const beside = await run(policy, reading, stalled, perTurn, seconds);
    print(`\n${policy}`);
    print(runLine("without", without));
    print(runLine("with", beside));
    print(`  p99 with ÷ without: ${(beside.p99Ms / without.p99Ms).toFixed(2)}`);
    print(`  of the ${stalled}: ${fate(beside.state, reading)}`);
  }
}

async function run(
  policy: string,
  reading: number,
  stalled: number,
  perTurn: number,
  seconds: number,
): Promise<Run> {
  const channel = `${policy}:flood`;
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const deno = [Deno.execPath(), "run", "-A", "--no-check"];
  const server = new Child([...deno, here("slow_server.ts"), channel]);
  const load = new Child([...deno, here("load/client.ts"), "websocket"]);
  const sockets: Deno.TcpConn[] = [];
  try {
    const { port } = await server.ask<{ port: number }>();
    await load.ask();
    await load.ask({ subscribe: { count: reading, target: { port, channel } } });
    for (let at = 0; at < stalled; at++) sockets.push(await openStalled(port, channel));
    await server.ask({ publish: { perTurn, everyMs: 1000 / TURNS, turns: TURNS } });
    await load.ask({ report: { expected: perTurn * TURNS * reading } });

    await load.ask({ begin: true });
    const rss: number[] = [];
    const sampler = setInterval(() => {
      rss.push(server.residentBytes() / 1e6);
      progress(`  ${rss.length}/12: ${rss.at(-1)!.toFixed(0)} MB`);
    }, seconds * 1000 / 12);
    const turns = Math.round(seconds * TURNS);
    await server.ask({ publish: { perTurn, everyMs: 1000 / TURNS, turns } });
    clearInterval(sampler);
    const expected = perTurn * turns * reading;
    const { p50Ms, p99Ms, deliveries } = await load.ask<LoadReport>({ report: { expected } });
    return { p50Ms, p99Ms, deliveries, rss, state: await server.ask<State>({ state: true }) };
  } finally {
    for (const socket of sockets) socket.close();
    await load.end();
    await server.end();
  }
}

/** A subscriber that reads nothing from its first byte on. */
async function openStalled(port: number, channel: string): Promise<Deno.TcpConn> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  await tcp.write(Buffer.from(
    `GET /rt/ws HTTP/1.1\r\nhost: localhost:${port}\r\norigin: http://localhost:${port}\r\n` +
      "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n" +
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      "sec-websocket-protocol: slipstream.v1.binary\r\n\r\n",
  ));
  const messages = Buffer.concat([
    encodeClientMessage({ type: "connect", id: 1 }),
    encodeClientMessage({ type: "subscribe", id: 2, channel }),
  ]);
  // One frame, masked with zeros (RFC 6455 §5.3).
  await tcp.write(
    Buffer.concat([Uint8Array.of(0x82, 0x80 | messages.length, 0, 0, 0, 0), messages]),
  );
  return tcp;
}

function runLine(name: string, { p50Ms, p99Ms, deliveries, rss }: Run): string {
  const curve = rss.map((mb) => mb.toFixed(0)).join(" ");
  return `  ${name.padEnd(8)} p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ` +
    `${deliveries} deliveries; server MB: ${curve}`;
}

function fate({ outcomes, pressure, sessions, transports }: State, reading: number): string {
  return `${outcomes.disconnect} disconnected for a full queue, ${outcomes.timeout} for taking ` +
    `nothing; ${sessions - transports} wait to resume, ${transports - reading} are connected; ` +
    `${pressure.dropped} publications dropped, ${pressure.conflated} values conflated`;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${name} must be a number above 0: ${text}`);
  return value;
}
