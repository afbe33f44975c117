// deno-lint-ignore-file no-console -- this is a command
/**
 * Fuzzes every parser for a while and prints a table; exits with 1 if a target failed, after saying how
 * to get its input again. See README.md.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { inputOf, runIteration } from "./run.ts";
import { TARGETS } from "./targets.ts";
import type { Job, Outcome } from "./worker.ts";

/** No input takes a millisecond; ten seconds without progress are a hang on any machine. */
const HANG_MS = 10_000;

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      target: { type: "string" },
      iteration: { type: "string" },
    },
  });
  const seed = Number(values.seed);
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seed) || !(seconds > 0)) {
    console.error(
      `--seed must be an integer and --seconds above 0: ${values.seed}, ${values.seconds}`,
    );
    return 1;
  }
  const chosen = TARGETS.filter(({ name }) =>
    values.target === undefined || values.target === name
  );
  if (chosen.length === 0) {
    const names = TARGETS.map(({ name }) => name).join(", ");
    console.error(`--target must be one of ${names}: ${values.target}`);
    return 1;
  }
  if (values.iteration !== undefined) return reproduce(seed, chosen, Number(values.iteration));

  console.log(`seed ${seed}, ${seconds} s over ${chosen.length} targets`);
  let failed = false;
  for (const { name } of chosen) {
    const { iterations, failure } = await runInWorker(
      name,
      seed,
      seconds * 1000 / chosen.length,
    );
    console.log(
      `${name.padEnd(36)} ${String(iterations).padStart(9)}  ${failure ? "FAILED" : "ok"}`,
    );
    if (failure === undefined) continue;
    failed = true;
    console.error(`  ${failure.what.replaceAll("\n", "\n  ")}`);
    console.error(`  input: ${failure.input}`);
    console.error(`  again: --seed ${seed} --target "${name}" --iteration ${failure.iteration}`);
  }
  return failed ? 1 : 0;
}

function reproduce(seed: number, targets: typeof TARGETS, iteration: number): number {
  let code = 0;
  for (const target of targets) {
    console.log(`${target.name}: input ${inputOf(target, seed, iteration)}`);
    const failure = runIteration(target, seed, iteration);
    console.log(failure?.what ?? "ok");
    if (failure !== undefined) code = 1;
  }
  return code;
}

/** Runs a target in a worker, since a parser that hangs cannot be stopped in this thread. */
async function runInWorker(target: string, seed: number, durationMs: number): Promise<Outcome> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href, { type: "module" });
  const progress = new SharedArrayBuffer(4);
  const current = new Int32Array(progress);
  let watch: ReturnType<typeof setInterval> | undefined;
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      let last = -1;
      watch = setInterval(() => {
        const iteration = Atomics.load(current, 0);
        if (iteration === last) {
          const input = inputOf(TARGETS.find(({ name }) => name === target)!, seed, iteration);
          const failure = { target, iteration, input, what: `hang: over ${HANG_MS} ms` };
          resolve({ iterations: iteration, failure });
        }
        last = iteration;
      }, HANG_MS);
      worker.onmessage = (event: MessageEvent<Outcome>) => resolve(event.data);
      worker.onerror = (event) => reject(new Error(`A worker failed: ${event.message}`));
      const job: Job = { target, seed, durationMs, progress };
      worker.postMessage(job);
    });
  } finally {
    clearInterval(watch);
    worker.terminate();
  }
}
