import { CommandError, ErrorCode, type Payload } from "../mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The JSON object that a client sent with its `rpc`.
 *
 * @throws {CommandError} With 400 if it is none.
 */
export function readObject({ format, bytes }: Payload): Record<string, unknown> {
  let value: unknown;
  try {
    value = format === "json" ? JSON.parse(decoder.decode(bytes)) : undefined;
  } catch {
    // Said below.
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refused(`A JSON object was expected: ${bytes.length} bytes of ${format}`);
  }
  return value as Record<string, unknown>;
}

/** The answer to an `rpc`, as JSON. */
export function answer(value: unknown): Payload {
  return { format: "json", bytes: encoder.encode(JSON.stringify(value)) };
}

/** What tells the client that its command is wrong. */
export function refused(message: string): CommandError {
  return new CommandError(ErrorCode.BAD_REQUEST, message);
}
