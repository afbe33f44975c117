import process from "node:process";
import { createInterface } from "node:readline";
import { type Client, connect } from "../../../src/client/mod.ts";
import { nowMicros, StampReader } from "../load/stamp.ts";
import { subscribeSocketIo, subscribeWs } from "../load/tcp.ts";

/**
 * Subscribers at the far end of a link, by the SDK or as a peer's raw clients. Arguments: the way
 * (`webtransport`, `websocket`, `ws`, `socket.io`), where, the channel, and how many. Commands on
 * stdin, one JSON object a line, each answered by one:
 *
 * - `{"begin":true}` → `{}`: forgets what was seen
 * - `{"report":true}` → {@linkcode Ages}
 * - `{"seen":true}` → `{"seen":[key, published, seen][]}`, in microseconds, of the first subscriber
 */
export interface Ages {
  /** Of each update when it arrived, in milliseconds. */
  readonly arrival: readonly number[];
  /** Of the newest update that a subscriber has, looked at sixty times a second. */
  readonly screen: readonly number[];
}

const [way, where, channel, countText] = process.argv.slice(2) as [string, string, string, string];
const count = Number(countText);
const FRAME_MS = 1000 / 60;
/** A first glance sees nothing wrong: while one waits for the first update. */
const newest: (number | undefined)[] = Array.from({ length: count });
let arrival: number[] = [];
let screen: number[] = [];
const seen: [key: string, published: number, seen: number][] = [];

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.begin) {
    arrival = [];
    screen = [];
    answer({});
  } else if (command.report) answer({ arrival, screen } satisfies Ages);
  else if (command.seen) answer({ seen: seen.splice(0) });
}).on("close", () => process.exit(0));
await Promise.all(newest.map((_, index) => subscribe(index)));
setInterval(look, FRAME_MS);
answer({ ready: true });

function look(): void {
  const now = nowMicros();
  for (const micros of newest) if (micros !== undefined) screen.push((now - micros) / 1000);
}

function arrived(index: number, ageMs: number): void {
  arrival.push(ageMs);
  newest[index] = nowMicros() - ageMs * 1000;
}

async function subscribe(index: number): Promise<void> {
  const url = new URL(where);
  if (way === "ws" || way === "socket.io") {
    const reader = new StampReader(
      { deliveries: 0, latencies: { push: (ageMs: number) => arrived(index, ageMs) } },
      true,
    );
    const target = { host: url.hostname, port: Number(url.port), channel: "" };
    return await (way === "ws" ? subscribeWs : subscribeSocketIo)(target, reader);
  }
  const client: Client = connect(url, { transports: [way as "webtransport" | "websocket"] });
  const subscription = client.channel<string>(channel).subscribe({
    onPublication({ key, data }) {
      const micros = Number(data.slice(2, data.indexOf(">")));
      const now = nowMicros();
      arrived(index, (now - micros) / 1000);
      if (index === 0 && channel === "latest:many") seen.push([key!, micros, now]);
    },
  });
  await subscription.ready;
}

function answer(value: unknown): void {
  process.stdout.write(JSON.stringify(value) + "\n");
}
