/**
 * The error code with which the peer ended a stream, by RESET_STREAM or STOP_SENDING, or
 * `undefined` if `error` is another one. Deno has it in the message alone.
 */
export function resetCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const match = /^(?:stream reset|sending stopped) by peer: error (\d+)$/.exec(error.message);
  return match === null ? undefined : Number(match[1]);
}
