/** 128 bits that nobody can guess, as 32 hexadecimal digits: a session's name or its ticket. */
export function createSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let text = "";
  for (const byte of bytes) text += HEX[byte]!;
  return text;
}

/** Compares two texts in a time that tells nothing of where they differ. */
export function equalSecrets(left: string, right: string): boolean {
  let difference = left.length ^ right.length;
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at);
  return difference === 0;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
