/** What a WebSocket close frame carries, in bytes (RFC 6455 §5.5, less the code). */
export const MAX_WEBSOCKET_REASON_BYTES = 123;

/** The longest start of `reason` that takes at most `maxBytes` of UTF-8, cut between characters. */
export function cutReason(reason: string, maxBytes: number): string {
  // A UTF-16 unit takes at most three bytes.
  if (3 * reason.length <= maxBytes) return reason;
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(maxBytes));
  return reason.slice(0, read);
}
