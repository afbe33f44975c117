import { type Random, seededRandom } from "../../src/policy/random.ts";
import { mutate } from "./mutate.ts";
import type { Target } from "./target.ts";

/** The first failure of a target. */
export interface Failure {
  readonly target: string;
  readonly iteration: number;
  /** The input in hexadecimal. */
  readonly input: string;
  readonly what: string;
}

/** Runs one iteration of `target`; what comes out depends on these three alone. */
export function runIteration(target: Target, seed: number, iteration: number): Failure | undefined {
  const random = randomOf(target, seed, iteration);
  const input = mutate(target.corpus, random);
  // The parser gets a copy: an input that it changed would be no reproducer.
  const copy = input.slice();
  try {
    target.parse(copy, random);
  } catch (error) {
    if (!target.allows(error)) {
      const what = error instanceof Error ? error.stack ?? error.message : String(error);
      return { target: target.name, iteration, input: toHex(input), what };
    }
  }
  return undefined;
}

/** The input of one iteration, in hexadecimal, without running it. */
export function inputOf(target: Target, seed: number, iteration: number): string {
  return toHex(mutate(target.corpus, randomOf(target, seed, iteration)));
}

function randomOf(target: Target, seed: number, iteration: number): Random {
  let mixed = seed;
  for (let at = 0; at < target.name.length; at++) {
    mixed = Math.imul(mixed ^ target.name.charCodeAt(at), 0x01000193);
  }
  return seededRandom(Math.imul(mixed ^ iteration, 0x9e3779b1));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
