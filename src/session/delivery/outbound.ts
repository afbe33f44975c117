import type { Corked } from "../../hub/cork.ts";
import { QueueBudget } from "../../policy/backpressure.ts";
import type { TimerWheel } from "../../policy/timer_wheel.ts";
import type { Encoding } from "../../protocol/encoded_message.ts";
import type { Lane, Transport } from "../../transport/transport.ts";
import { DatagramSender } from "./datagram_sender.ts";
import type { LatestQueue } from "./latest_queue.ts";
import { LaneQueue } from "./lane_queue.ts";
import type { SessionContext } from "../session_context.ts";
import type { StallOwner } from "./stall_watch.ts";

/** Who is told that the peer takes too little. */
export interface OutboundOwner {
  /** Publications have waited for a second; of `channel` first. */
  behind(channel: string | undefined): void;
  /** The network has taken nothing for `writeTimeoutMs`. */
  stalled(channel: string | undefined): void;
}

/**
 * Everything that waits for one transport: a queue for each lane, first in, first out, and one for
 * each `latest` subscription, one value a key. The cork flushes it once per turn.
 *
 * The lanes' queues share one budget in bytes. Whoever pushes decides what happens when it is
 * full; nothing is dropped here unasked.
 */
export class Outbound implements Corked, StallOwner {
  corked = false;
  readonly transport: Transport;
  readonly encoding: Encoding;
  readonly highWaterBytes: number;
  readonly budget: QueueBudget;
  /** The queue of the lane that is always there. */
  readonly control: LaneQueue;
  readonly #context: SessionContext;
  readonly #owner: OutboundOwner;
  /** The queues of lanes that were opened, once there is one. */
  #lanes: LaneQueue[] | undefined;
  /** Queues with something to write, but for those whose lane is full. */
  #markedLanes = NONE;
  /** Queues of `latest` subscriptions that hold something. */
  #markedLatest: LatestQueue[] | undefined;
  #datagrams: DatagramSender | undefined;
  #ended = false;

  constructor(transport: Transport, context: SessionContext, owner: OutboundOwner) {
    this.transport = transport;
    this.encoding = transport.encoding;
    this.highWaterBytes = context.options.highWaterBytes;
    this.budget = new QueueBudget(context.options);
    this.control = new LaneQueue(transport.control, this);
    this.#context = context;
    this.#owner = owner;
  }

  /** Whether live values of `latest` channels may go by datagram. */
  get hasDatagrams(): boolean {
    return this.transport.maxDatagramSize > 0;
  }

  /** What sends live values; made with the first. */
  get datagrams(): DatagramSender {
    return this.#datagrams ??= new DatagramSender(this.transport);
  }

  /** What waits in the lanes' queues, and what the transport has taken and not sent, in bytes. */
  get queuedBytes(): number {
    let bytes = this.budget.queuedBytes + this.transport.control.bufferedBytes;
    if (this.#lanes !== undefined) {
      for (const { lane } of this.#lanes) bytes += lane.bufferedBytes;
    }
    return bytes;
  }

  /** The bytes that may still be queued. */
  get freeBytes(): number {
    return Math.max(0, this.budget.maxQueueBytes - this.queuedBytes);
  }

  get wheel(): TimerWheel {
    return this.#context.wheel;
  }

  get writeTimeoutMs(): number {
    return this.#context.options.writeTimeoutMs;
  }

  /**
   * Takes the last `bytes` of the budget back, and returns true, if they are over it together with
   * what the transport holds. Asked only of queues over the high water mark: summing up the lanes
   * is not for every message.
   */
  takeBack(bytes: number): boolean {
    if (this.queuedBytes <= this.budget.maxQueueBytes) return false;
    this.budget.remove(bytes);
    return true;
  }

  /** Whether values of `latest` subscriptions wait for room in this queue. */
  valuesWaitFor(queue: LaneQueue): boolean {
    return queue === this.control && this.#markedLatest !== undefined;
  }

  behind(queue: LaneQueue): void {
    this.#owner.behind(this.#firstChannel(queue));
  }

  stalled(queue: LaneQueue): void {
    this.#owner.stalled(this.#firstChannel(queue));
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
    if (!this.corked) this.#context.cork.add(this);
  }

  /** Has a `latest` subscription's queue sent at the end of this turn. */
  markLatest(queue: LatestQueue): void {
    if (this.#ended) return;
    queue.marked = true;
    (this.#markedLatest ??= []).push(queue);
    if (!this.corked) this.#context.cork.add(this);
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
      this.#datagrams?.flush();
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
    for (const queue of this.#lanes ?? []) queue.clear();
    this.#lanes = undefined;
    this.#markedLanes = NONE;
    this.#markedLatest = undefined;
  }

  #firstChannel(queue: LaneQueue): string | undefined {
    for (const { message } of queue.messages) {
      if (message.type === "publication") return message.channel;
    }
    return this.valuesWaitFor(queue) ? this.#markedLatest![0]!.channel : undefined;
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
      if (this.transport.control.bufferedBytes >= this.highWaterBytes) this.control.watch();
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
