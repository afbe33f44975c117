import { type Clock, systemClock } from "../policy/clock.ts";
import { type Random, systemRandom } from "../policy/random.ts";

/** What all transports of a node share. */
export interface TransportOptions {
  /**
   * One message from a client, in bytes; a larger one closes the transport with 3502.
   * @default 65536
   */
  readonly maxMessageBytes: number;
  /**
   * What a client may send at once, in bytes: the messages of one WebSocket message or POST.
   * @default 1048576
   */
  readonly maxBatchBytes: number;
  /**
   * Where a lane counts as full, in bytes: once it held as much, `drained` says when it has
   * fallen to the half. The same as the session's, which stops writing there.
   * @default 65536
   */
  readonly highWaterBytes: number;
  /**
   * Lanes of one WebTransport session beside the control lane, in count; 0 puts everything on the
   * control lane. Each costs the client a stream to read.
   * @default 16
   */
  readonly maxLanes: number;
  /**
   * How long a close waits for the peer to take what was written before it, in milliseconds; a
   * POST's body may take as long.
   * @default 10000
   */
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of errors that are the server's own: each ends its transport with 3005. */
  readonly onError: (error: unknown) => void;
}

/** The options where nothing is said. */
export const TRANSPORT_DEFAULTS: TransportOptions = {
  maxMessageBytes: 65_536,
  maxBatchBytes: 1_048_576,
  highWaterBytes: 65_536,
  maxLanes: 16,
  closeTimeoutMs: 10_000,
  clock: systemClock,
  random: systemRandom,
  onError: reportError,
};
