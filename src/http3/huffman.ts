import { ErrorCode, Http3Error } from "./error.ts";

/**
 * The length in bits of each byte's code, and last that of EOS (RFC 7541 Appendix B). The code is
 * canonical: codes ascend by length, within a length by byte, so that the lengths determine it.
 */
// deno-fmt-ignore
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const EOS = 256;

/** Each byte's code, in its low bits. */
const CODES = new Uint32Array(CODE_LENGTHS.length);

/**
 * The decoding tree: node `n` has its branches for the bits 0 and 1 at `2n` and `2n + 1`. A branch is
 * the number of another node, or `-1 - symbol` for a leaf.
 */
const TREE = new Int16Array(2 * EOS);

buildTables();

/** The number of bytes that `text`, of characters up to U+00FF, takes in Huffman code. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at++) bits += CODE_LENGTHS[text.charCodeAt(at)]!;
  return (bits + 7) >> 3;
}

/** Appends `text`, of characters up to U+00FF, to `target` in Huffman code (RFC 7541 §5.2). */
export function encodeHuffman(text: string, target: number[]): void {
  // Fewer than 8 pending bits plus a code of 30 exceed 32 bits, so arithmetic stands in for shifts.
  let pending = 0;
  let pendingBits = 0;
  for (let at = 0; at < text.length; at++) {
    const symbol = text.charCodeAt(at);
    const length = CODE_LENGTHS[symbol]!;
    pending = pending * 2 ** length + CODES[symbol]!;
    pendingBits += length;
    while (pendingBits >= 8) {
      pendingBits -= 8;
      const unit = 2 ** pendingBits;
      target.push(Math.floor(pending / unit));
      pending %= unit;
    }
  }
  if (pendingBits > 0) {
    const padding = 8 - pendingBits;
    target.push((pending << padding) | ((1 << padding) - 1));
  }
}

/**
 * Reads a string in Huffman code, one character of U+0000 to U+00FF a byte.
 *
 * @throws {Http3Error} QPACK_DECOMPRESSION_FAILED if it contains EOS, or if its padding takes more
 * than 7 bits or has a 0 (RFC 7541 §5.2).
 */
export function decodeHuffman(source: Uint8Array): string {
  // The shortest code has 5 bits.
  const symbols = new Uint8Array(Math.ceil(source.length * 8 / 5));
  let length = 0;
  let node = 0;
  let depth = 0;
  let onesOnly = true;
  for (let at = 0; at < source.length; at++) {
    const byte = source[at]!;
    for (let shift = 7; shift >= 0; shift--) {
      const bit = (byte >> shift) & 1;
      const branch = TREE[2 * node + bit]!;
      if (branch >= 0) {
        node = branch;
        depth++;
        if (bit === 0) onesOnly = false;
        continue;
      }
      const symbol = -1 - branch;
      if (symbol === EOS) throw failure("contains EOS");
      symbols[length++] = symbol;
      node = 0;
      depth = 0;
      onesOnly = true;
    }
  }
  if (depth > 7) throw failure(`is padded by ${depth} bits`);
  if (!onesOnly) throw failure("is padded by a 0");
  return latin1(symbols.subarray(0, length));
}

/** One character of U+0000 to U+00FF a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  // A call's arguments are bounded by the stack: 8 Ki at a time are safe.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

function failure(what: string): Http3Error {
  return new Http3Error(
    ErrorCode.QPACK_DECOMPRESSION_FAILED,
    "connection",
    `A Huffman string ${what}, RFC 7541 §5.2`,
  );
}

function buildTables(): void {
  let code = 0;
  let nodes = 1;
  for (let length = 5; length <= 30; length++) {
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (CODE_LENGTHS[symbol] !== length) continue;
      CODES[symbol] = code;
      let node = 0;
      for (let shift = length - 1; shift > 0; shift--) {
        const at = 2 * node + ((code >>> shift) & 1);
        if (TREE[at] === 0) TREE[at] = nodes++;
        node = TREE[at]!;
      }
      TREE[2 * node + (code & 1)] = -1 - symbol;
      code++;
    }
    code *= 2;
  }
}
