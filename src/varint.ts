/**
 * The variable-length integer of QUIC (RFC 9000 §16): the two high bits of the first byte say
 * whether the value takes 1, 2, 4 or 8 bytes.
 *
 * Values are JavaScript numbers. One above 2^53 - 1 decodes to the nearest double, which is exact
 * enough for what such values are here: an ID to skip or a length over every limit.
 */

/** The largest value that {@linkcode encodeVarint} takes: 2^53 - 1, the largest exact integer. */
export const MAX_VARINT = Number.MAX_SAFE_INTEGER;

/**
 * The number of bytes that `value` takes.
 *
 * @throws {RangeError} If `value` is not an integer from 0 to {@linkcode MAX_VARINT}.
 */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`A varint needs an integer from 0 to 2^53 - 1: ${value}`);
  }
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x4000_0000) return 4;
  return 8;
}

/**
 * Writes `value` at `offset` of `target` in its shortest form and returns the offset after it.
 *
 * @throws {RangeError} If `value` is no varint or does not fit into `target`.
 */
export function encodeVarint(value: number, target: Uint8Array, offset: number): number {
  const length = varintLength(value);
  if (offset + length > target.length) {
    throw new RangeError(
      `A varint of ${length} bytes does not fit: ${target.length - offset} bytes left`,
    );
  }
  let rest = value;
  for (let at = offset + length - 1; at >= offset; at--) {
    target[at] = rest & 0xff;
    rest = Math.floor(rest / 0x100);
  }
  const prefix = length === 1 ? 0x00 : length === 2 ? 0x40 : length === 4 ? 0x80 : 0xc0;
  target[offset] = target[offset]! | prefix;
  return offset + length;
}

/** The length of the varint that starts with `firstByte`, in bytes. */
export function varintLengthOf(firstByte: number): 1 | 2 | 4 | 8 {
  return (1 << (firstByte >> 6)) as 1 | 2 | 4 | 8;
}

/**
 * Reads the varint at `offset` of `source`: its value and the offset after it, or `undefined` if
 * `source` ends within it.
 */
export function decodeVarint(
  source: Uint8Array,
  offset: number,
): { value: number; next: number } | undefined {
  const first = source[offset];
  if (first === undefined) return undefined;
  const next = offset + varintLengthOf(first);
  if (next > source.length) return undefined;
  let value = first & 0x3f;
  for (let at = offset + 1; at < next; at++) value = value * 0x100 + source[at]!;
  return { value, next };
}
