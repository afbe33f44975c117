import type { Delivery } from "./protocol/message.ts";

/** How the channels of one namespace (the part of their name before the first `:`) behave. */
export interface NamespaceOptions {
  /**
   * `ordered`: every publication, in order, resumable. `latest`: the newest value of each key.
   * @default "ordered"
   */
  readonly delivery: Delivery;
  /**
   * Publications kept for recovery and history, in count; 0 keeps none.
   * @default 256
   */
  readonly historySize: number;
  /**
   * How long a publication is kept, in milliseconds.
   * @default 300000
   */
  readonly historyTtlMs: number;
  /**
   * Whether who is subscribed can be asked for, and is told by join and leave.
   * @default false
   */
  readonly presence: boolean;
  /**
   * Whether clients may publish; the server always may.
   * @default true
   */
  readonly clientPublish: boolean;
  /**
   * What happens to an `ordered` subscriber over `maxQueueBytes`: `disconnect` closes its
   * transport with 3002, resumable; `gap` drops its oldest publications and says so.
   * @default "disconnect"
   */
  readonly overflow: "disconnect" | "gap";
  /**
   * A `latest` key that has been quiet for this time is delivered once more, reliably, to those
   * who got it by datagram, in milliseconds; 0 never.
   * @default 250
   */
  readonly settleMs: number;
  /**
   * Keys of a `latest` channel, in count; at the limit the key longest unchanged is forgotten.
   * @default 10000
   */
  readonly maxKeys: number;
  /**
   * How long a `latest` value is kept without a new one, in milliseconds.
   * @default 300000
   */
  readonly keyTtlMs: number;
}

/** The namespace options where nothing is said. */
export const NAMESPACE_DEFAULTS: NamespaceOptions = {
  delivery: "ordered",
  historySize: 256,
  historyTtlMs: 300_000,
  presence: false,
  clientPublish: true,
  overflow: "disconnect",
  settleMs: 250,
  maxKeys: 10_000,
  keyTtlMs: 300_000,
};

/** Limits of one session. Each protects the node from one peer. */
export interface SessionOptions {
  /**
   * How long a session waits for its client after losing a transport, in milliseconds; 0 ends it
   * with the transport.
   * @default 60000
   */
  readonly resumeWindowMs: number;
  /**
   * Sessions without a transport that the node keeps, in count; at the limit the one that has
   * waited longest ends.
   * @default 10000
   */
  readonly maxDetachedSessions: number;
  /**
   * How long a new transport may take until its `connect`, in milliseconds.
   * @default 10000
   */
  readonly connectTimeoutMs: number;
  /**
   * What may wait for one session, in bytes; beyond it the namespace's `overflow` decides.
   * @default 1048576
   */
  readonly maxQueueBytes: number;
  /**
   * What one lane may hand to its transport before the network has taken it, in bytes. Past it
   * publications wait in the queue, where they can be conflated or dropped.
   * @default 65536
   */
  readonly highWaterBytes: number;
  /**
   * Subscriptions of one session, in count.
   * @default 128
   */
  readonly maxSubscriptions: number;
  /**
   * Commands of one session that wait for an answer at once, in count.
   * @default 128
   */
  readonly maxPendingCommands: number;
  /**
   * One message from a client, in bytes.
   * @default 65536
   */
  readonly maxMessageBytes: number;
}

export const SESSION_DEFAULTS: SessionOptions = {
  resumeWindowMs: 60_000,
  maxDetachedSessions: 10_000,
  connectTimeoutMs: 10_000,
  maxQueueBytes: 1_048_576,
  highWaterBytes: 65_536,
  maxSubscriptions: 128,
  maxPendingCommands: 128,
  maxMessageBytes: 65_536,
};

/** When a peer is asked whether it is there, and when it is taken for dead. */
export interface HeartbeatOptions {
  /**
   * A peer quiet for this time is pinged, in milliseconds; 0 turns heartbeats off.
   * @default 30000
   */
  readonly intervalMs: number;
  /**
   * Intervals without any traffic that a peer is granted after the first, in count: it is dead
   * after `intervalMs × (misses + 1)`.
   * @default 3
   */
  readonly misses: number;
}

export const HEARTBEAT_DEFAULTS: HeartbeatOptions = { intervalMs: 30_000, misses: 3 };
