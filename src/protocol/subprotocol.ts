import type { Encoding } from "./encoded_message.ts";

/** The WebSocket subprotocol (RFC 6455 §1.9) of each dialect. */
export const SUBPROTOCOL: Readonly<Record<Encoding, string>> = {
  binary: "slipstream.v1.binary",
  json: "slipstream.v1.json",
};

/** The dialect of the first subprotocol of ours among those a client offers, in its order. */
export function encodingOf(offered: readonly string[]): Encoding | undefined {
  for (const name of offered) {
    if (name === SUBPROTOCOL.binary) return "binary";
    if (name === SUBPROTOCOL.json) return "json";
  }
  return undefined;
}
