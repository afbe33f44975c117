/** What is wrong with a command, in HTTP's numbers (RFC 9110 §15) where HTTP has one. */
export const ErrorCode = {
  BAD_REQUEST: 400,
  /** The token shown does not hold, or not any more. */
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  /** No such channel, namespace, subscription or method. */
  NOT_FOUND: 404,
  /** The subscription is there already. */
  CONFLICT: 409,
  TOO_LARGE: 413,
  /** Too many commands in flight, or over a rate. */
  TOO_MANY: 429,
  INTERNAL: 500,
  /** The broker cannot keep a publication at the moment. */
  UNAVAILABLE: 503,
} as const;

/** A command that cannot be done; reaches the client as an `error` reply. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
