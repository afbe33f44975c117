import type { Cork, Corked } from "../hub/cork.ts";
import type { SessionOptions } from "../options.ts";
import { QueueBudget } from "../policy/backpressure.ts";
import type { Encoding } from "../protocol/encoded_message.ts";
import type { Lane, Transport } from "../transport/transport.ts";
import type { LatestQueue } from "./latest_queue.ts";
import { LaneQueue } from "./lane_queue.ts";

/**
 * Everything that waits for one transport: a queue for each lane, first in, first out, and one for
 * each `latest` subscription, one value a key. The cork flushes it once per turn.
 *
 * The lanes' queues share one budget in bytes. Whoever pushes decides what happens when it is
 * full; nothing is dropped here unasked.
 */
export class Outbound implements Corked {
  corked = false;
  readonly transport: Transport;
  readonly encoding: Encoding;
  readonly highWaterBytes: number;
  readonly budget: QueueBudget;
  /** The queue of the lane that is always there. */
  readonly control: LaneQueue;
  readonly #cork: Cork;
  /** The queues of lanes that were opened, once there is one. */
  #lanes: LaneQueue[] | undefined;
  /** Queues with something to write, but for those whose lane is full. */
  #markedLanes = NONE;
  /** Queues of `latest` subscriptions that hold something. */
  #markedLatest: LatestQueue[] | undefined;
  #ended = false;

  constructor(transport: Transport, cork: Cork, options: SessionOptions) {
    this.transport = transport;
    this.encoding = transport.encoding;
    this.highWaterBytes = options.highWaterBytes;
    this.budget = new QueueBudget(options);
    this.control = new LaneQueue(transport.control, this);
    this.#cork = cork;
  }

  /** Whether live values of `latest` channels may go by datagram. */
  get hasDatagrams(): boolean {
    return this.transport.maxDatagramSize > 0;
  }

  /** The bytes that may still be queued. */
  get freeBytes(): number {
    return this.budget.maxQueueBytes - this.budget.queuedBytes;
  }

  /** A queue with a lane of its own, or the control lane's. */
  openLane(): LaneQueue {
    const lane = this.transport.openLane();
    if (lane === undefined) return this.control;
    const queue = new LaneQueue(lane, this);
    (this.#lanes ??= []).push(queue);
    return queue;
  }

  /** Ends a lane after what waits for it; the control lane stays. */
  closeLane(queue: LaneQueue): void {
    if (queue !== this.control) queue.close();
  }

  /** Whether the control lane would take more in this turn. */
  controlHasRoom(): boolean {
    return this.control.bytes + this.transport.control.bufferedBytes < this.highWaterBytes;
  }

  /** Has a lane's queue written at the end of this turn. */
  markLane(queue: LaneQueue): void {
    if (this.#ended) return;
    if (this.#markedLanes.length > 0) this.#markedLanes.push(queue);
    else this.#markedLanes = [queue];
    if (!this.corked) this.#cork.add(this);
  }

  /** Has a `latest` subscription's queue sent at the end of this turn. */
  markLatest(queue: LatestQueue): void {
    if (this.#ended) return;
    queue.marked = true;
    (this.#markedLatest ??= []).push(queue);
    if (!this.corked) this.#cork.add(this);
  }

  /** Goes on with a lane that was full. */
  drained(lane: Lane): void {
    const queue = lane === this.transport.control
      ? this.control
      : this.#lanes?.find((opened) => opened.lane === lane);
    if (queue !== undefined) this.markLane(queue);
  }

  flush(): void {
    if (this.#ended) return;
    if (this.#markedLatest !== undefined) {
      for (const queue of this.#markedLatest) queue.flushLive();
      // Values join the control lane's own messages in one write. More than once only where a
      // transport takes everything at once: one that does not says when it has drained.
      while (this.#flushLatest()) this.control.flush();
    }
    const lanes = this.#markedLanes;
    if (lanes.length === 0) return;
    this.#markedLanes = NONE;
    for (const queue of lanes) {
      if (queue.flush() && this.#lanes !== undefined) {
        this.#lanes = this.#lanes.filter((opened) => opened !== queue);
      }
    }
  }

  /** The position before the first publication of each `ordered` channel that was not written. */
  unwritten(): Map<string, number> {
    const before = new Map<string, number>();
    for (const queue of [this.control, ...this.#lanes ?? []]) {
      for (const { message } of queue.messages) {
        if (message.type === "publication" && message.key === undefined) {
          if (!before.has(message.channel)) before.set(message.channel, message.offset - 1);
        } else if (message.type === "gap" && !before.has(message.channel)) {
          const { channel, position, missed } = message;
          before.set(channel, missed === undefined ? NOWHERE : position.offset - missed);
        }
      }
    }
    return before;
  }

  /** Forgets everything that waits. What is pushed from now on goes nowhere. */
  end(): void {
    this.#ended = true;
    this.control.clear();
    this.#lanes = undefined;
    this.#markedLanes = NONE;
    this.#markedLatest = undefined;
  }

  /** Moves what the control lane takes; true if there may be room for more after a flush. */
  #flushLatest(): boolean {
    const marked = this.#markedLatest!;
    for (let at = 0; at < marked.length; at++) {
      if (marked[at]!.flushReliable()) {
        marked[at]!.marked = false;
        continue;
      }
      this.#markedLatest = marked.slice(at);
      // Without anything of its own to write, the control lane waits for another one's budget.
      return this.control.bytes > 0 && this.transport.control.bufferedBytes < this.highWaterBytes;
    }
    this.#markedLatest = undefined;
    return false;
  }
}

/** No offset: what precedes a gap of unknown length is a place in a history that is gone. */
export const NOWHERE = -1;

/** No queues; shared, so never added to. */
const NONE: LaneQueue[] = [];
