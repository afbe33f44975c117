import type { CloseInfo } from "../protocol/close_code.ts";

/**
 * A transport was lost between a command and its answer, and the session with it: the server may
 * or may not have done what was asked.
 */
export class OutcomeUnknownError extends Error {
  override readonly name = "OutcomeUnknownError";

  constructor(command: string) {
    super(`The session ended before the answer came, the server may have done it: ${command}`);
  }
}

/** The client is closed, for `code` and `reason`. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";
  /** One of `CloseCode`, or an application's from 4000 on. */
  readonly code: number;
  readonly reason: string;

  constructor({ code, reason }: CloseInfo) {
    super(`The client is closed: ${code} ${reason}`.trimEnd());
    this.code = code;
    this.reason = reason;
  }
}

/** What a thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
