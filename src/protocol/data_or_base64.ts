import { decodeBase64, encodeBase64 } from "./base64.ts";
import { CommandError, ErrorCode } from "./error_code.ts";
import type { Payload } from "./message.ts";

/** A payload in JSON: its value, or its bytes. */
export interface JsonPayload {
  readonly data?: unknown;
  readonly base64?: string | undefined;
}

/**
 * Reads a payload.
 *
 * @throws {CommandError} With 400 unless it is either `data` or `base64`.
 */
export function payloadFrom({ data, base64 }: JsonPayload): Payload {
  if ((data === undefined) === (base64 === undefined)) {
    const came = data === undefined ? "neither" : "both";
    throw new CommandError(ErrorCode.BAD_REQUEST, `Either data or base64 was expected: ${came}`);
  }
  return base64 === undefined
    ? { format: "json", bytes: new TextEncoder().encode(JSON.stringify(data)) }
    : { format: "binary", bytes: decodeBase64(base64) };
}

/** Writes a payload as a value where it is one, else as bytes. */
export function jsonOf({ format, bytes }: Payload): JsonPayload {
  if (bytes.length === 0) return {};
  if (format === "binary") return { base64: encodeBase64(bytes) };
  try {
    return { data: JSON.parse(new TextDecoder().decode(bytes)) };
  } catch {
    // The server takes a client's word for what is JSON.
    return { base64: encodeBase64(bytes) };
  }
}
