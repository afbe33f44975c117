import { ATTACKS } from "./attacks.ts";
import { seededRandom } from "../../src/policy/random.ts";
import type { Address } from "./server.ts";
import { type Attack, isFailure } from "./visit.ts";

/** What the worker is told to do. */
export interface AttackJob {
  readonly address: Address;
  readonly seed: number;
  readonly messages: number;
}

/** What came of one attack so far. */
export interface AttackResult {
  messages: number;
  connections: number;
  /** How connections ended, in count. */
  readonly outcomes: Record<string, number>;
}

/** What the worker says from time to time, and at its end. */
export interface AttackReport {
  readonly results: Readonly<Record<string, AttackResult>>;
  readonly done: boolean;
}

/** Connections of each kind that are open at once. */
const CONCURRENCY = 3;

const REPORT_INTERVAL_MS = 250;

const scope = self as unknown as {
  onmessage: (event: MessageEvent<AttackJob>) => void;
  postMessage(report: AttackReport): void;
};

// Set before anything is awaited here or in what is imported: Deno drops a job that comes earlier.
scope.onmessage = async ({ data: job }) => {
  const results: Record<string, AttackResult> = {};
  for (const name in ATTACKS) results[name] = { messages: 0, connections: 0, outcomes: {} };
  const timer = setInterval(
    () => scope.postMessage({ results, done: false }),
    REPORT_INTERVAL_MS,
  );
  await Promise.all(
    Object.entries(ATTACKS).flatMap(([name, { attack, share }], kind) =>
      Array.from({ length: CONCURRENCY }, (_, at) => {
        const seed = job.seed + 1000 * kind + at;
        return run(attack, job.address, seed, share * job.messages, results[name]!);
      })
    ),
  );
  clearInterval(timer);
  scope.postMessage({ results, done: true });
};

/** Opens one connection after the other until `result` has as many messages as it should. */
async function run(
  attack: Attack,
  address: Address,
  seed: number,
  messages: number,
  result: AttackResult,
): Promise<void> {
  const random = seededRandom(seed);
  while (result.messages < messages) {
    const visit = await attack(address, random).catch((error) => ({
      messages: 0,
      outcome: `failed: ${error instanceof Error ? error.message : error}`,
    }));
    result.connections++;
    result.messages += visit.messages;
    result.outcomes[visit.outcome] = (result.outcomes[visit.outcome] ?? 0) + 1;
    // One that goes on like this would never end.
    if ((result.outcomes[visit.outcome] ?? 0) > MAX_FAILURES && isFailure(visit.outcome)) return;
  }
}

const MAX_FAILURES = 20;
