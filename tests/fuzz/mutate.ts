import type { Random } from "../../src/policy/random.ts";

/** Inputs stay this short, in bytes: every limit of the parsers under test lies below. */
const MAX_INPUT_BYTES = 4096;

/** Bytes on which varints, prefixed integers, frame types and UTF-8 turn. */
const EDGES = [0x00, 0x01, 0x02, 0x20, 0x3f, 0x40, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xe0, 0xfe, 0xff];

/** An input made from one or two of `corpus` by up to eight random changes; at times it is unchanged. */
export function mutate(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  let input = Uint8Array.from(pick(corpus, random));
  for (let changes = below(9, random); changes > 0; changes--) {
    input = change(input, corpus, random).slice(0, MAX_INPUT_BYTES);
  }
  return input;
}

/** A random integer from 0 up to, not including, `limit`. */
export function below(limit: number, random: Random): number {
  return Math.floor(random() * limit);
}

/** A random one of `values`, which are not empty. */
export function pick<T>(values: readonly T[], random: Random): T {
  return values[below(values.length, random)]!;
}

function change(
  input: Uint8Array<ArrayBuffer>,
  corpus: readonly Uint8Array[],
  random: Random,
): Uint8Array<ArrayBuffer> {
  const at = below(input.length + 1, random);
  const length = below(Math.min(16, input.length - at) + 1, random);
  const part = input.slice(at, at + length);
  switch (below(8, random)) {
    case 0:
      if (at < input.length) input[at]! ^= 1 << below(8, random);
      return input;
    case 1:
      if (at < input.length) input[at] = pick(EDGES, random);
      return input;
    case 2:
      return splice(input, at, length, new Uint8Array(0));
    case 3:
      return splice(input, at, 0, part);
    case 4:
      return splice(
        input,
        at,
        0,
        Uint8Array.from(new Array(1 + below(9, random)), () => pick(EDGES, random)),
      );
    case 5: {
      const other = pick(corpus, random);
      return splice(input, at, input.length, other.subarray(below(other.length + 1, random)));
    }
    case 6:
      return input.slice(0, at);
    default:
      return splice(input, at, length, Uint8Array.from(part, () => below(256, random)));
  }
}

function splice(
  input: Uint8Array,
  at: number,
  removed: number,
  added: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const tail = input.subarray(Math.min(input.length, at + removed));
  const output = new Uint8Array(at + added.length + tail.length);
  output.set(input.subarray(0, at));
  output.set(added, at);
  output.set(tail, at + added.length);
  return output;
}
