import { ErrorCode, Http3Error } from "./error.ts";
import { decodeHuffman, encodeHuffman, huffmanLength, latin1 } from "./huffman.ts";
import { decodePrefixedInteger, encodePrefixedInteger } from "./prefixed_integer.ts";
import { STATIC_TABLE } from "./qpack_static_table.ts";

/** A field line: its name and value, one character of U+0000 to U+00FF a byte. */
export type Field = readonly [name: string, value: string];

/** A field section exceeds its limit: answer 431; QPACK's state is untouched. */
export class FieldSectionTooLarge extends Error {
  override readonly name = "FieldSectionTooLarge";
}

/**
 * Encodes a field section (RFC 9204 §4.5) by the static table and Huffman code alone.
 *
 * @throws {RangeError} If a name or value has a character above U+00FF.
 */
export function encodeFieldSection(fields: Iterable<Field>): Uint8Array {
  // Required Insert Count 0 and Base 0, RFC 9204 §4.5.1.
  const target = [0, 0];
  for (const [name, value] of fields) {
    const line = LINES.get(`${name}\0${value}`);
    if (line !== undefined) {
      encodePrefixedInteger(line, 6, INDEXED | INDEXED_STATIC, target);
      continue;
    }
    const index = NAMES.get(name);
    if (index !== undefined) {
      encodePrefixedInteger(index, 4, NAME_REFERENCE | NAME_REFERENCE_STATIC, target);
    } else {
      encodeString(name, 3, LITERAL_NAME, target);
    }
    encodeString(value, 7, 0, target);
  }
  return Uint8Array.from(target);
}

/**
 * Decodes a field section that a peer encoded for a dynamic table of capacity 0.
 *
 * @param options.maxFieldSectionBytes The limit of the section's size as RFC 9114 §4.2.2 counts it:
 * name, value and 32 bytes a field line.
 * @throws {FieldSectionTooLarge} If the section exceeds that limit.
 * @throws {Http3Error} QPACK_DECOMPRESSION_FAILED if it is malformed, refers to the dynamic table, or
 * to a static entry that there is not (RFC 9204 §2.2, §3.1, §4.5).
 */
export function decodeFieldSection(
  payload: Uint8Array,
  options: { maxFieldSectionBytes: number },
): Field[] {
  const reader = new FieldSectionReader(payload);
  reader.prefix();
  const fields: Field[] = [];
  let size = 0;
  while (!reader.ended) {
    const field = reader.field();
    size += field[0].length + field[1].length + 32;
    if (size > options.maxFieldSectionBytes) {
      throw new FieldSectionTooLarge(
        `A field section must not exceed ${options.maxFieldSectionBytes} bytes: ${size} or more`,
      );
    }
    fields.push(field);
  }
  return fields;
}

// The patterns of the first byte, RFC 9204 §4.5.2 to §4.5.6.
const INDEXED = 0b1000_0000;
const INDEXED_STATIC = 0b0100_0000;
const NAME_REFERENCE = 0b0100_0000;
const NAME_REFERENCE_STATIC = 0b0001_0000;
const LITERAL_NAME = 0b0010_0000;
const INDEXED_POST_BASE = 0b0001_0000;

/** The index of each static entry, and the lowest index of each name. */
const LINES = new Map(STATIC_TABLE.map(([name, value], index) => [`${name}\0${value}`, index]));
const NAMES = new Map(STATIC_TABLE.map(([name], index) => [name, index] as const).reverse());

/** A string literal (RFC 7541 §5.2): the bit above the length says whether Huffman code follows. */
function encodeString(text: string, prefixBits: number, pattern: number, target: number[]): void {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) > 0xff) {
      throw new RangeError(`A field must not have characters above U+00FF: ${text.slice(0, 64)}`);
    }
  }
  const packed = huffmanLength(text);
  if (packed < text.length) {
    encodePrefixedInteger(packed, prefixBits, pattern | (1 << prefixBits), target);
    encodeHuffman(text, target);
  } else {
    encodePrefixedInteger(text.length, prefixBits, pattern, target);
    for (let at = 0; at < text.length; at++) target.push(text.charCodeAt(at));
  }
}

class FieldSectionReader {
  readonly #source: Uint8Array;
  #offset = 0;

  constructor(source: Uint8Array) {
    this.#source = source;
  }

  get ended(): boolean {
    return this.#offset >= this.#source.length;
  }

  prefix(): void {
    const requiredInsertCount = this.#integer(8);
    if (requiredInsertCount !== 0) {
      throw failure("requires inserts into a dynamic table of capacity 0", requiredInsertCount);
    }
    const negative = (this.#first() & 0x80) !== 0;
    const deltaBase = this.#integer(7);
    if (negative) throw failure("has a negative Base", -deltaBase - 1);
  }

  field(): Field {
    const first = this.#first();
    if (first & INDEXED) {
      if (!(first & INDEXED_STATIC)) throw failure("refers to the dynamic table", first);
      return this.#entry(this.#integer(6));
    }
    if (first & NAME_REFERENCE) {
      if (!(first & NAME_REFERENCE_STATIC)) throw failure("refers to the dynamic table", first);
      const [name] = this.#entry(this.#integer(4));
      return [name, this.#string(7)];
    }
    if (first & LITERAL_NAME) {
      const name = this.#string(3);
      return [name, this.#string(7)];
    }
    throw failure(
      first & INDEXED_POST_BASE ? "has a post-Base index" : "has a post-Base name reference",
      first,
    );
  }

  #entry(index: number): Field {
    const entry = STATIC_TABLE[index];
    if (entry === undefined) throw failure("refers to a static entry that there is not", index);
    return entry;
  }

  #first(): number {
    const first = this.#source[this.#offset];
    if (first === undefined) throw failure("is truncated", this.#source.length);
    return first;
  }

  #integer(prefixBits: number): number {
    const decoded = decodePrefixedInteger(this.#source, this.#offset, prefixBits);
    if (decoded === undefined) throw failure("has a bad integer at", this.#offset);
    this.#offset = decoded.next;
    return decoded.value;
  }

  #string(prefixBits: number): string {
    const packed = (this.#first() & (1 << prefixBits)) !== 0;
    const length = this.#integer(prefixBits);
    const start = this.#offset;
    if (length > this.#source.length - start) throw failure("has a truncated string", length);
    this.#offset = start + length;
    const bytes = this.#source.subarray(start, this.#offset);
    return packed ? decodeHuffman(bytes) : latin1(bytes);
  }
}

function failure(what: string, value: number): Http3Error {
  return new Http3Error(
    ErrorCode.QPACK_DECOMPRESSION_FAILED,
    "connection",
    `A field section ${what}, RFC 9204 §4.5: ${value}`,
  );
}
