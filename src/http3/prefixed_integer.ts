/**
 * The prefixed integer of QPACK (RFC 9204 §4.1.1, RFC 7541 §5.1): as many low bits of the first
 * byte as the instruction leaves free, then 7 bits a byte, the lowest first.
 */

/**
 * Appends `value` to `target`: the high bits of the first byte are `pattern`, its low
 * `prefixBits` bits belong to the integer.
 */
export function encodePrefixedInteger(
  value: number,
  prefixBits: number,
  pattern: number,
  target: number[],
): void {
  const full = (1 << prefixBits) - 1;
  if (value < full) {
    target.push(pattern | value);
    return;
  }
  target.push(pattern | full);
  let rest = value - full;
  while (rest >= 0x80) {
    target.push(0x80 | (rest % 0x80));
    rest = Math.floor(rest / 0x80);
  }
  target.push(rest);
}

/**
 * Reads the integer at `offset` of `source`: its value and the offset after it.
 *
 * `undefined` if `source` ends within it, or if it exceeds 2^53 - 1 or takes more than 8 bytes after
 * the prefix: no string or index here comes near.
 */
export function decodePrefixedInteger(
  source: Uint8Array,
  offset: number,
  prefixBits: number,
): { value: number; next: number } | undefined {
  const first = source[offset];
  if (first === undefined) return undefined;
  const full = (1 << prefixBits) - 1;
  let value = first & full;
  if (value < full) return { value, next: offset + 1 };
  let scale = 1;
  for (let at = offset + 1; at <= offset + MAX_CONTINUATION_BYTES; at++) {
    const byte = source[at];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
    if (byte < 0x80) return { value, next: at + 1 };
    scale *= 0x80;
  }
  return undefined;
}

/** 8 × 7 bits hold every integer up to 2^53 - 1. */
export const MAX_CONTINUATION_BYTES = 8;
