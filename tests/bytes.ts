/** The bytes that `text` spells in hexadecimal; spaces do not count. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replaceAll(/\s/g, "");
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

/** All of `parts` in one buffer. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** `bytes` cut into chunks whose lengths are taken from `lengths` in turn; the rest is the last one. */
export function chunked(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const length of lengths) {
    if (offset >= bytes.length) break;
    chunks.push(bytes.slice(offset, offset + length));
    offset += length;
  }
  if (offset < bytes.length) chunks.push(bytes.slice(offset));
  return chunks;
}
