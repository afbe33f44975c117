import type { AttackJob, AttackReport, AttackResult } from "./attack_worker.ts";
import { HonestCompany } from "./honest.ts";
import type { Address, ServerState } from "./server.ts";
import { isFailure } from "./visit.ts";

export interface AttackOptions {
  /** Mutated messages to send, over all transports. */
  readonly messages: number;
  readonly seed: number;
  /** How long the honest sessions are watched without the attack, in milliseconds. */
  readonly calmMs: number;
  readonly onProgress?: (messages: number) => void;
}

/** What came of an attack on a live server with honest sessions beside. */
export interface Outcome {
  readonly results: Readonly<Record<string, AttackResult>>;
  /** What an honest session suffered, and what the server was left with; empty if all is well. */
  readonly troubles: readonly string[];
  readonly honestPublications: number;
  /** What of the attackers' came to the honest sessions as values, in count. */
  readonly heard: number;
  readonly calmP99Ms: number;
  readonly attackedP99Ms: number;
  readonly before: ServerState;
  readonly after: ServerState;
  readonly seconds: number;
}

/** Runs a server in a process of its own, honest sessions in this one, and the attack in a worker. */
export async function runAttack(options: AttackOptions): Promise<Outcome> {
  const server = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "-A",
      "--unstable-net",
      "--v8-flags=--expose-gc",
      new URL("./server.ts", import.meta.url).pathname,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  try {
    const address: Address = JSON.parse(await firstLine(server.stdout));
    return await attack(address, options);
  } finally {
    server.kill("SIGKILL");
    await Promise.all([server.status, server.stdout.cancel()]);
  }
}

async function attack(address: Address, options: AttackOptions): Promise<Outcome> {
  const { messages, seed, calmMs, onProgress } = options;
  const company = await HonestCompany.open(address);
  try {
    company.start();
    // Code that has just been loaded is slow.
    await pause(WARM_UP_MS);
    company.agesMs.length = 0;
    await pause(calmMs);
    const calmAgesMs = company.agesMs.splice(0);
    const before = await stateOf(address);

    const startMs = performance.now();
    const results = await sendAll({ address, seed, messages }, onProgress);
    const seconds = (performance.now() - startMs) / 1000;
    const attackedAgesMs = company.agesMs.splice(0);

    await company.finish();
    const troubles = [...company.troubles];
    const after = await settle(address, company.size);
    for (const name of ["sessions", "transports"] as const) {
      if (after[name] !== company.size) troubles.push(`${after[name]} ${name} are left`);
    }
    if (after.lingering > 0) troubles.push(`${after.lingering} sockets linger`);
    if (after.heapBytes > before.heapBytes + MAX_HEAP_GROWTH_BYTES) {
      troubles.push(`the heap has grown from ${before.heapBytes} to ${after.heapBytes} bytes`);
    }
    for (const error of after.errors) troubles.push(`the server failed: ${error}`);
    for (const [name, { outcomes }] of Object.entries(results)) {
      for (const outcome in outcomes) {
        if (isFailure(outcome)) troubles.push(`${name}: ${outcomes[outcome]} × ${outcome}`);
      }
    }
    return {
      results,
      troubles,
      honestPublications: company.published,
      heard: company.heard,
      calmP99Ms: p99(calmAgesMs),
      attackedP99Ms: p99(attackedAgesMs),
      before,
      after,
      seconds,
    };
  } finally {
    await company.close();
  }
}

/** Twice what histories and caches of code come to; a kilobyte a connection would be far above. */
const MAX_HEAP_GROWTH_BYTES = 16 << 20;

const WARM_UP_MS = 500;

/** Sessions of who was cut off wait for a second, QUIC for its peer's last word. */
const SETTLE_MS = 20_000;

function sendAll(
  job: AttackJob,
  onProgress: AttackOptions["onProgress"],
): Promise<Outcome["results"]> {
  const worker = new Worker(new URL("./attack_worker.ts", import.meta.url).href, {
    type: "module",
  });
  const finished = new Promise<Outcome["results"]>((resolve, reject) => {
    worker.onmessage = ({ data: { results, done } }: MessageEvent<AttackReport>) => {
      if (done) resolve(results);
      else {
        const sent = Object.values(results).reduce((sum, { messages }) => sum + messages, 0);
        onProgress?.(sent);
      }
    };
    worker.onerror = (event) => reject(new Error(`The attacker failed: ${event.message}`));
  });
  worker.postMessage(job);
  return finished.finally(() => worker.terminate());
}

async function settle(address: Address, sessions: number): Promise<ServerState> {
  const endMs = performance.now() + SETTLE_MS;
  while (true) {
    const state = await stateOf(address);
    const settled = state.sessions === sessions && state.transports === sessions &&
      state.lingering === 0;
    if (settled || performance.now() > endMs) return state;
    await pause(100);
  }
}

async function stateOf({ developmentPort }: Address): Promise<ServerState> {
  const response = await fetch(`http://localhost:${developmentPort}/state`);
  return await response.json();
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error("A server was expected to say where it is: it has ended");
    text += decoder.decode(value, { stream: true });
  }
  // Not cancelled: that waits for the end of a process that goes on.
  reader.releaseLock();
  return text;
}

function p99(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(0.99 * values.length)] ?? NaN;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
