import type { Random } from "../../src/policy/random.ts";
import type { Address } from "./server.ts";

/** What one hostile connection came to. */
export interface Visit {
  /** How many mutated messages were sent before it was over. */
  readonly messages: number;
  /** How it ended, such as `3501`: what the report counts by. */
  readonly outcome: string;
}

/** Opens a hostile connection, sends mutated messages as long as they are taken, and sees it end. */
export type Attack = (address: Address, random: Random) => Promise<Visit>;

/** A connection is left for another after so many messages, though the server would take more. */
export const MESSAGES_PER_VISIT = 16;

/** What the server owes an answer gets this long, on a machine that is busy with the attack. */
const PATIENCE_MS = 20_000;

/** The outcome of a connection that the server did not end, though it had to. */
export const UNANSWERED = "no answer";

/** Whether the server owed a connection something else than this. */
export function isFailure(outcome: string): boolean {
  return outcome === UNANSWERED || outcome.startsWith("failed");
}

/** The value of `promise`, or {@linkcode UNANSWERED} if it takes too long. */
export async function patiently<T>(promise: Promise<T>): Promise<T | typeof UNANSWERED> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<typeof UNANSWERED>((resolve) => {
    timer = setTimeout(() => resolve(UNANSWERED), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer!);
  }
}

/** Gives the server time to say that it has had enough: what is sent after that, it does not read. */
export function hear(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}
