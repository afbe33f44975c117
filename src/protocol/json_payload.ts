import { encodeBase64 } from "./base64.ts";
import type { Payload } from "./message.ts";

/**
 * `head`, an object that has a field already, with one more field whose value is JSON text.
 */
export function withField(head: string, name: string, value: string): string {
  return `${head.slice(0, -1)},"${name}":${value}}`;
}

/**
 * `head`, an object that has a field already, with `payload` under `name`, or in base64 under
 * `binaryName`. The text of a JSON payload is kept as it is, but for line breaks: a number keeps all
 * its digits.
 */
export function withPayload(
  head: string,
  name: string,
  payload: Payload,
  binaryName = `${name}64`,
): string {
  const text = payload.format === "json" ? jsonText(payload.bytes) : undefined;
  return text === undefined
    ? withField(head, binaryName, `"${encodeBase64(payload.bytes)}"`)
    : withField(head, name, text);
}

/** As {@linkcode withPayload}, for a publication's `data`: the empty one of a removal is left out. */
export function withData(head: string, removed: boolean, data: Payload): string {
  return removed && data.bytes.length === 0 ? head : withPayload(head, "data", data);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One line of valid JSON text, or `undefined` if `bytes` are none. */
function jsonText(bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes);
    JSON.parse(text);
    // In valid JSON a raw line break is white space between tokens.
    return text.replace(/[\r\n]/g, " ");
  } catch {
    return undefined;
  }
}
