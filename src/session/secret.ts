import { createHash } from "node:crypto";

/**
 * 128 bits that nobody can guess, as 32 hexadecimal digits: a session's name or its ticket. With the
 * name of a node in front, of 8 digits, 96 bits are left.
 */
export function createSecret(node = ""): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let text = "";
  for (const byte of bytes) text += HEX[byte]!;
  return node + text.slice(node.length);
}

/** Compares two texts in a time that tells nothing of where they differ. */
export function equalSecrets(left: string, right: string): boolean {
  let difference = left.length ^ right.length;
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at);
  return difference === 0;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The SHA-256 of a secret, in hexadecimal: what others may know of it. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
