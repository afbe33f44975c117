/** The base64 (RFC 4648 §4) of `bytes`, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK) as unknown as number[]);
  }
  return btoa(text);
}

/**
 * The bytes of a base64 text.
 *
 * @throws {DOMException} If it is none.
 */
export function decodeBase64(text: string): Uint8Array {
  const decoded = atob(text);
  const bytes = new Uint8Array(decoded.length);
  for (let index = 0; index < decoded.length; index++) bytes[index] = decoded.charCodeAt(index);
  return bytes;
}

/** Arguments of one call: far below what the stack of any engine takes. */
const CHUNK = 8_192;
