import { createInterface } from "node:readline";
import process from "node:process";
import { Core } from "../../src/client/core.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import { HttpError } from "../../src/client/http_error.ts";
import type { TransportKind } from "../../src/client/transports/transport.ts";

/**
 * Clients of the real storm: the SDK as it is, but that its attempts are counted and its chance may
 * be taken from it. One JSON object a line.
 *
 * - `{"open":{"count","url","transport","perSecond","jitter"}}` → `{"opened":true}`
 * - `{"storm":true}` → a {@linkcode Tally} every tenth of a second, of what happened in it
 */
export interface Tally {
  /** Questions for `/rt/info`, with which each attempt begins. */
  readonly attempts: number;
  /** Attempts that were told to come later. */
  readonly refused: number;
  /** Attempts that failed otherwise. */
  readonly lost: number;
  /** Clients that were let in. */
  readonly back: number;
  /** Clients that lost their transport. */
  readonly gone: number;
}

interface Open {
  readonly count: number;
  readonly url: string;
  readonly transport: TransportKind;
  readonly perSecond: number;
  readonly jitter: boolean;
}

const TALLY_MS = 100;
const NOTHING = { attempts: 0, refused: 0, lost: 0, back: 0, gone: 0 };

let counted = { ...NOTHING };

createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line);
  if (command.open) {
    await open(command.open);
    answer({ opened: true });
  } else if (command.storm) {
    counted = { ...NOTHING };
    setInterval(tell, TALLY_MS);
  }
}).on("close", () => process.exit(0));

/** Tells what was counted since the last time. */
function tell(): void {
  answer(counted);
  counted = { ...NOTHING };
}

function answer(value: unknown): void {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function open({ count, url, transport, perSecond, jitter }: Open): Promise<void> {
  const system = systemEnvironment();
  const environment = {
    ...system,
    random: jitter ? system.random : () => 1 - 2 ** -32,
    fetchServerInfo(base: URL, signal: AbortSignal) {
      counted.attempts++;
      return system.fetchServerInfo(base, signal);
    },
  };
  const ready: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const client = new Core(new URL(url), { transports: [transport] }, environment);
    client.on("error", (error) => {
      const cause = error instanceof HttpError ? error : error.cause;
      if (cause instanceof HttpError && cause.retryAfterMs > 0) counted.refused++;
      else counted.lost++;
    });
    client.on("state", (state) => {
      if (state === "connected") counted.back++;
      else counted.gone++;
    });
    client.channel("storm:all").subscribe({ onPublication() {} });
    ready.push(client.ready);
    await new Promise((resolve) => setTimeout(resolve, 1000 / perSecond));
  }
  await Promise.all(ready);
}
