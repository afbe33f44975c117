/**
 * What happens to a subscriber that reads slower than a channel publishes, once its queue is full:
 * `disconnect` closes its session, which may resume and recover from history; `gap` drops its oldest
 * publications and tells it so.
 */
export type OverflowPolicy = "disconnect" | "gap";

/** Limits of a {@linkcode QueueBudget}, in bytes. */
export interface QueueLimits {
  /**
   * The most that may wait. The default holds 16,000 publications of 64 B: seconds of a busy
   * channel, and a thousand such readers still fit into 1 GiB.
   *
   * @default 1048576
   */
  maxQueueBytes?: number;
  /**
   * Where the reader counts as behind. The default is what a 10 Mbit/s path takes in 50 ms: less
   * would starve it between two writes, more only makes what is sent staler.
   *
   * @default 65536
   */
  highWaterBytes?: number;
  /**
   * Where a reader that was behind counts as caught up. Below the high mark, so that a queue
   * hovering around one mark does not switch with every message.
   *
   * @default half of highWaterBytes
   */
  lowWaterBytes?: number;
}

/**
 * Counts the bytes that wait for one reader and says what that means. It holds no messages; its
 * owner acts on what it says.
 *
 * ```text
 * 0 ────────── lowWaterBytes ────────── highWaterBytes ────────── maxQueueBytes
 *      "ok"         until here, once behind    "congested"          "overflow"
 * ```
 *
 * Two places use it. A session's outbound queue: `overflow` brings its {@linkcode OverflowPolicy},
 * `congested` makes a `latest` channel keep the newest value of each key alone. A lane (one stream or
 * the datagrams of a transport), with the bytes in flight, taken by the transport but not yet
 * written: while `congested` nothing more is handed over, so that what waits can still be dropped.
 */
export class QueueBudget {
  /** The most that may wait, in bytes. */
  readonly maxQueueBytes: number;
  /** Where the reader counts as behind, in bytes. */
  readonly highWaterBytes: number;
  /** Where a reader that was behind counts as caught up, in bytes. */
  readonly lowWaterBytes: number;
  #queuedBytes = 0;
  #congested = false;

  /** @throws {RangeError} Unless 0 <= lowWaterBytes < highWaterBytes <= maxQueueBytes. */
  constructor(limits: QueueLimits = {}) {
    const { maxQueueBytes = 1 << 20, highWaterBytes = Math.min(1 << 16, maxQueueBytes) } = limits;
    const { lowWaterBytes = Math.floor(highWaterBytes / 2) } = limits;
    if (
      !(0 <= lowWaterBytes && lowWaterBytes < highWaterBytes && highWaterBytes <= maxQueueBytes)
    ) {
      throw new RangeError(
        "A queue needs 0 <= lowWaterBytes < highWaterBytes <= maxQueueBytes: " +
          `${lowWaterBytes}, ${highWaterBytes}, ${maxQueueBytes}`,
      );
    }
    this.maxQueueBytes = maxQueueBytes;
    this.highWaterBytes = highWaterBytes;
    this.lowWaterBytes = lowWaterBytes;
  }

  /** How many bytes wait. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether the reader is behind: the high mark was reached, and the low mark not since. */
  get congested(): boolean {
    return this.#congested;
  }

  /** Counts `bytes` that begin to wait. On `overflow` they are not counted and may not wait. */
  add(bytes: number): "ok" | "congested" | "overflow" {
    const total = this.#queuedBytes + bytes;
    if (total > this.maxQueueBytes) return "overflow";
    this.#queuedBytes = total;
    if (total >= this.highWaterBytes) this.#congested = true;
    return this.#congested ? "congested" : "ok";
  }

  /**
   * Counts `bytes` that wait no longer; true if the reader has just caught up, which is when its
   * owner goes on handing over.
   *
   * @throws {RangeError} If fewer bytes wait: the owner has counted wrong.
   */
  remove(bytes: number): boolean {
    const total = this.#queuedBytes - bytes;
    if (total < 0) {
      throw new RangeError(`A queue cannot lose ${bytes} bytes: ${this.#queuedBytes} wait`);
    }
    this.#queuedBytes = total;
    if (!this.#congested || total > this.lowWaterBytes) return false;
    this.#congested = false;
    return true;
  }
}
