import assert from "node:assert/strict";
import type { Random } from "../../src/policy/random.ts";
import { below } from "./mutate.ts";

/** One parser under test. */
export interface Target {
  readonly name: string;
  /** Valid inputs. */
  readonly corpus: readonly Uint8Array[];
  /** Whether `error` is one that the parser documents. */
  readonly allows: (error: unknown) => boolean;
  /** Parses one input; throws what the parser throws, or a {@linkcode Finding}. */
  readonly parse: (input: Uint8Array, random: Random) => void;
}

/** What a target finds by itself: growth, or a round trip that changes the value. */
export class Finding extends Error {
  override readonly name = "Finding";
}

/** Throws a {@linkcode Finding} unless `again`, encoded and decoded once more, equals `first`. */
export function sameAgain(again: unknown, first: unknown): void {
  try {
    assert.deepEqual(again, first);
  } catch {
    throw new Finding("What was encoded again decodes to another value");
  }
}

/** A parser that takes chunks and gives events. */
export interface StreamParser {
  readonly bufferedBytes: number;
  push(chunk: Uint8Array): void;
  next(): unknown;
}

/**
 * Gives `input` to `parser` in random chunks, in one buffer that is overwritten after each, and takes
 * all events after each.
 */
export function stream(
  parser: StreamParser,
  input: Uint8Array,
  random: Random,
  maxBufferedBytes: number,
): void {
  const longest = 1 + below(input.length + 1, random);
  const buffer = new Uint8Array(longest);
  for (let at = 0; at < input.length;) {
    const chunk = buffer.subarray(0, Math.min(1 + below(longest, random), input.length - at));
    chunk.set(input.subarray(at, at + chunk.length));
    at += chunk.length;
    parser.push(chunk);
    for (let events = 0; parser.next() !== undefined; events++) {
      // An event takes a byte at least.
      if (events > input.length) throw new Finding(`Events without end: ${events}`);
    }
    if (parser.bufferedBytes > maxBufferedBytes) {
      throw new Finding(
        `Buffered bytes must not exceed ${maxBufferedBytes}: ${parser.bufferedBytes}`,
      );
    }
    buffer.fill(0xff);
  }
}
