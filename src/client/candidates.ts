import type { ServerInfo } from "../protocol/server_info.ts";
import type { Environment } from "./environment.ts";
import type { Fallback } from "./race.ts";
import type { TransportKind } from "./transports/transport.ts";

/** The transports that are worth trying, best first, and why the wanted ones before them are not. */
export interface Candidates {
  readonly order: readonly TransportKind[];
  readonly missing: readonly Fallback[];
}

/**
 * Picks from the `wanted` transports those that both runtime and server have. The one that is
 * `remembered` goes first.
 */
export function candidates(
  wanted: readonly TransportKind[],
  info: ServerInfo,
  runtime: Environment["transports"],
  remembered: TransportKind | undefined,
): Candidates {
  const order: TransportKind[] = [];
  const missing: Fallback[] = [];
  for (const transport of wanted) {
    if (runtime[transport] === undefined) {
      missing.push({ transport, reason: "The runtime has none" });
    } else if (!info.transports.includes(transport)) {
      missing.push({ transport, reason: "The server offers none" });
    } else if (transport === remembered) {
      order.unshift(transport);
    } else {
      order.push(transport);
    }
  }
  return { order, missing };
}

/** The transports that are wanted rather than `used`, and why not: as is `known`, or for time. */
export function fallbacksOf(
  wanted: readonly TransportKind[],
  order: readonly TransportKind[],
  used: TransportKind,
  known: readonly Fallback[],
): readonly Fallback[] {
  const late = `${used} ${order[0] === used ? "worked last" : "was open first"}`;
  return wanted.slice(0, wanted.indexOf(used)).map((transport) =>
    known.find((fallback) => fallback.transport === transport) ?? { transport, reason: late }
  );
}
