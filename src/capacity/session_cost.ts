import type { TransportKind } from "../transport/transport.ts";

/** What something takes of a machine. */
export interface Cost {
  /** Open files, in count. */
  readonly descriptors: number;
  /** Resident memory, in bytes; what V8's heap takes is part of it. */
  readonly memoryBytes: number;
  /** What V8's heap holds after a collection, in bytes. */
  readonly heapBytes: number;
}

/**
 * What one idle session with one subscription takes. Measured as `deno task bench` does, two seconds
 * after 2,000 sessions were opened (600 over WebTransport) and before V8 gives memory back: 28, 76
 * and 165 KB; TLS over TCP adds 7.
 *
 * WebTransport sessions share one UDP socket. A client over SSE sends by POST, for which a browser
 * without HTTP/2 holds a second TCP connection.
 */
export const SESSION_COST: Readonly<Record<TransportKind, Cost>> = {
  webtransport: { descriptors: 0, memoryBytes: 165_000, heapBytes: 65_000 },
  websocket: { descriptors: 1, memoryBytes: 35_000, heapBytes: 5000 },
  sse: { descriptors: 2, memoryBytes: 83_000, heapBytes: 8000 },
};

/** What a node takes before its first session: 29 files and 85 to 120 MB were measured. */
export const NODE_COST: Cost = {
  descriptors: 32,
  memoryBytes: 120_000_000,
  heapBytes: 15_000_000,
};

/**
 * What a relayed connection takes besides: the balancer's end of it and one within the process.
 * Measured with 1,000 that were idle: 22 KB, of which 7.4 are V8's heap.
 */
export const RELAY_COST: Cost = { descriptors: 2, memoryBytes: 25_000, heapBytes: 7500 };
