import type { TransportKind } from "../transport/transport.ts";
import type { Limits } from "./limits.ts";
import { type Cost, NODE_COST, SESSION_COST } from "./session_cost.ts";

/** How much a node carries. */
export interface Capacity {
  /** What the system lets the process have. */
  readonly limits: Limits;
  /** Idle sessions, if all came over one transport, in count. */
  readonly sessions: Readonly<Record<TransportKind, number>>;
  /** What all sessions together may take; `Infinity` where the limit is not known. */
  readonly share: Cost;
  /** Open files that one connection over TCP takes, in count: more than one through a relay. */
  readonly descriptorsPerSocket: number;
}

/** How many sessions `limits` carry, by the measured cost of each. */
export function capacityOf(limits: Limits, descriptorsPerSocket = 1): Capacity {
  const { openFiles = Infinity, memoryBytes = Infinity, heapBytes } = limits;
  const share: Cost = {
    descriptors: left(openFiles, NODE_COST.descriptors + spareDescriptors(openFiles)),
    memoryBytes: left(memoryBytes * USABLE, NODE_COST.memoryBytes),
    heapBytes: left(heapBytes * USABLE, NODE_COST.heapBytes),
  };
  const inSockets = { ...share, descriptors: Math.floor(share.descriptors / descriptorsPerSocket) };
  return {
    limits,
    share,
    descriptorsPerSocket,
    sessions: {
      webtransport: carried(inSockets, SESSION_COST.webtransport),
      websocket: carried(inSockets, SESSION_COST.websocket),
      sse: carried(inSockets, SESSION_COST.sse),
    },
  };
}

/**
 * How many sessions a node takes where no number is set: what its memory holds of the smallest. Open
 * files do not count, for WebTransport takes none.
 */
export function defaultMaxSessions({ share }: Capacity): number {
  const inMemory = carried({ ...share, descriptors: Infinity }, SESSION_COST.websocket);
  return Math.max(1, Math.min(MAX_SESSIONS, inMemory));
}

/**
 * Open files that no session may take: pages, POSTs and those who are refused need some for a
 * moment, and a burst of them must not reach the limit.
 */
export function spareDescriptors(openFiles: number): number {
  return openFiles === Infinity ? 0 : Math.max(16, Math.ceil(openFiles / 10));
}

/** More are for whoever has measured what else their node does. */
const MAX_SESSIONS = 50_000;

/** Part of memory and heap that may be used: near the end both get slow, and then fatal. */
export const USABLE = 0.9;

function left(all: number, taken: number): number {
  return Math.max(0, Math.floor(all - taken));
}

function carried(share: Cost, each: Cost): number {
  return Math.min(
    each.descriptors === 0 ? Infinity : Math.floor(share.descriptors / each.descriptors),
    Math.floor(share.memoryBytes / each.memoryBytes),
    Math.floor(share.heapBytes / each.heapBytes),
  );
}
