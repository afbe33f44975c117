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
  /** What one session takes, by its transport. */
  readonly cost: Readonly<Record<TransportKind, Cost>>;
}

/**
 * How many sessions `limits` carry, by the measured cost of each.
 *
 * @param perSocket What each connection over TCP takes besides.
 */
export function capacityOf(limits: Limits, perSocket: Cost = NO_COST): Capacity {
  const { openFiles = Infinity, memoryBytes = Infinity, heapBytes } = limits;
  const share: Cost = {
    descriptors: left(openFiles, NODE_COST.descriptors + spareDescriptors(openFiles)),
    memoryBytes: left(memoryBytes * USABLE, NODE_COST.memoryBytes),
    heapBytes: left(heapBytes * USABLE, NODE_COST.heapBytes),
  };
  const cost = {
    webtransport: withSockets(SESSION_COST.webtransport, perSocket),
    websocket: withSockets(SESSION_COST.websocket, perSocket),
    sse: withSockets(SESSION_COST.sse, perSocket),
  };
  return {
    limits,
    share,
    cost,
    sessions: {
      webtransport: carried(share, cost.webtransport),
      websocket: carried(share, cost.websocket),
      sse: carried(share, cost.sse),
    },
  };
}

/**
 * How many sessions a node takes where no number is set: what its memory holds of the smallest. Open
 * files do not count, for WebTransport takes none.
 */
export function defaultMaxSessions({ share, cost }: Capacity): number {
  const inMemory = carried({ ...share, descriptors: Infinity }, cost.websocket);
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

/** The cost of a session, each of whose open files is a socket, which takes `more`. */
function withSockets({ descriptors, memoryBytes, heapBytes }: Cost, more: Cost): Cost {
  return {
    descriptors: descriptors + descriptors * more.descriptors,
    memoryBytes: memoryBytes + descriptors * more.memoryBytes,
    heapBytes: heapBytes + descriptors * more.heapBytes,
  };
}

const NO_COST: Cost = { descriptors: 0, memoryBytes: 0, heapBytes: 0 };

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
