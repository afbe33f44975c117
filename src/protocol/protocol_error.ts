import { CloseCode } from "./close_code.ts";

/** A peer said something that is no message, or too large a one: its transport ends with this. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** `PROTOCOL_ERROR` or `MESSAGE_TOO_LARGE` of {@linkcode CloseCode}. */
  readonly closeCode: number;

  constructor(message: string, closeCode: number = CloseCode.PROTOCOL_ERROR) {
    super(message);
    this.closeCode = closeCode;
  }
}

/** The error for a message that is over its limit; both in bytes. */
export function messageTooLarge(limit: number, size: number): ProtocolError {
  return new ProtocolError(
    `A message of at most ${limit} bytes was expected: ${size}`,
    CloseCode.MESSAGE_TOO_LARGE,
  );
}
