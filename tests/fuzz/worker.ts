import { type Failure, runIteration } from "./run.ts";
import { TARGETS } from "./targets.ts";

/** What `fuzz.ts` asks of a worker. */
export interface Job {
  readonly target: string;
  readonly seed: number;
  /** How long to go on, in milliseconds. */
  readonly durationMs: number;
  /** One Int32: the iteration under way, for whoever watches. */
  readonly progress: SharedArrayBuffer;
}

/** What the worker answers. */
export interface Outcome {
  readonly iterations: number;
  readonly failure: Failure | undefined;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(outcome: Outcome): void;
};

scope.onmessage = ({ data: { target: name, seed, durationMs, progress } }) => {
  const target = TARGETS.find((target) => target.name === name)!;
  const current = new Int32Array(progress);
  const end = performance.now() + durationMs;
  let iteration = 0;
  let failure: Failure | undefined;
  while (failure === undefined && performance.now() < end) {
    Atomics.store(current, 0, iteration);
    failure = runIteration(target, seed, iteration++);
  }
  scope.postMessage({ iterations: iteration, failure });
};
