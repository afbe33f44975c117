import { resetCodeOf } from "../http3/quic_error.ts";
import { http3ToWebTransport } from "./error_code.ts";

/**
 * What a stream of a session failed with, in the words of W3C: `source` is `"stream"` if the peer
 * reset it or told it to stop, with the application's code in `streamErrorCode` (`null` if the
 * peer's code is none of an application's); otherwise the session itself has ended.
 *
 * The writables of a session are QUIC's own, so what they throw is Deno's error: pass it through here.
 */
export function toWebTransportError(error: unknown): WebTransportError {
  if (error instanceof WebTransportError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = resetCodeOf(error);
  if (code === undefined) return new WebTransportError(message, { source: "session" });
  return new WebTransportError(message, {
    source: "stream",
    streamErrorCode: http3ToWebTransport(code) ?? null,
  });
}
