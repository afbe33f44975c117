/** The server answered a request with a status that is no success. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  /** What `Retry-After` (RFC 9110 §10.2.3) asks for, in milliseconds; 0 if it asks for nothing. */
  readonly retryAfterMs: number;

  constructor(response: Response) {
    super(`${new URL(response.url).pathname} was answered with an error: ${response.status}`);
    this.status = response.status;
    this.retryAfterMs = retryAfterMs(response.headers.get("retry-after"));
  }
}

/** `response`, unless its status is no success: then throws, and lets go of its body. */
export function successful(response: Response): Response {
  if (response.ok) return response;
  response.body?.cancel().catch(() => {});
  throw new HttpError(response);
}

/**
 * Only seconds are understood: a date would need the server's clock. A server that asks for more
 * than an hour is not obeyed: nobody waits that long.
 */
function retryAfterMs(value: string | null): number {
  return value !== null && /^\d{1,9}$/.test(value)
    ? Math.min(Number(value) * 1000, MAX_RETRY_AFTER_MS)
    : 0;
}

const MAX_RETRY_AFTER_MS = 3_600_000;
