import { EncodedMessage } from "../../protocol/encoded_message.ts";
import type { Gap } from "../../protocol/message.ts";
import type { Lane } from "../../transport/transport.ts";
import type { Outbound } from "./outbound.ts";
import { StallWatch } from "./stall_watch.ts";

/**
 * What waits for one lane, first in, first out. It is written once per turn, and only while the
 * lane holds less than the high water mark: what waits here can still be dropped.
 */
export class LaneQueue {
  readonly lane: Lane;
  readonly #outbound: Outbound;
  #messages = NONE;
  #bytes = 0;
  #closing = false;
  /** While something has to wait for the lane. */
  #watch: StallWatch | undefined;

  constructor(lane: Lane, outbound: Outbound) {
    this.lane = lane;
    this.#outbound = outbound;
  }

  /** Bytes that wait, in all. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What waits, in order. */
  get messages(): readonly EncodedMessage[] {
    return this.#messages;
  }

  /** Queues a message; false, and nothing done, if the session's queue is full. */
  push(message: EncodedMessage): boolean {
    const outbound = this.#outbound;
    const bytes = message.bytes(outbound.encoding).byteLength;
    const level = outbound.budget.add(bytes);
    if (level !== "ok" && (level === "overflow" || outbound.takeBack(bytes))) return false;
    this.#bytes += bytes;
    if (this.#messages.length > 0) {
      this.#messages.push(message);
    } else {
      // Mostly the only one of its turn: a list of one is a third of what an empty one grows to.
      this.#messages = [message];
      outbound.markLane(this);
    }
    return true;
  }

  /** Ends the lane once all that waits is written. */
  close(): void {
    this.#closing = true;
    this.#outbound.markLane(this);
  }

  /** Writes as much as the lane takes; true if that was the last, and the lane is closed. */
  flush(): boolean {
    const { lane } = this;
    while (this.#messages.length > 0) {
      const room = this.#outbound.highWaterBytes - lane.bufferedBytes;
      if (room <= 0) {
        this.watch();
        return false;
      }
      const bytes = this.#bytes;
      const batch = bytes <= room ? this.#takeAll() : this.#take(room);
      this.#outbound.budget.remove(bytes - this.#bytes);
      lane.write(batch);
      this.#watch?.written();
    }
    if (this.#watch !== undefined && !this.#outbound.valuesWaitFor(this)) this.#stopWatch();
    if (!this.#closing) return false;
    this.#closing = false;
    lane.close();
    return true;
  }

  /** Has it told if what waits for the lane waits long. */
  watch(): void {
    this.#watch ??= new StallWatch(this, this.#outbound);
  }

  /** Forgets the publications of `channel` that wait. */
  dropPublications(channel: string): void {
    const kept: EncodedMessage[] = [];
    let bytes = 0;
    for (const entry of this.#messages) {
      const { message } = entry;
      if (message.type === "publication" && message.channel === channel) continue;
      kept.push(entry);
      bytes += this.#length(entry);
    }
    this.#outbound.budget.remove(this.#bytes - bytes);
    this.#messages = kept;
    this.#bytes = bytes;
  }

  /**
   * Queues `incoming`, a publication, in place of the oldest publications of its channel: at least
   * a quarter of the whole budget goes, if there is as much, so that not every message has to look
   * through the queue. One gap stands where they stood. Returns how many publications went, or 0,
   * and nothing done, if that does not make enough room.
   */
  pushOverOldest(incoming: EncodedMessage, channel: string, epoch: string): number {
    const { budget } = this.#outbound;
    const kept: EncodedMessage[] = [];
    let gapAt = -1;
    let droppedBytes = 0;
    let dropped = 0;
    let missed: number | undefined = 0;
    let offset = 0;
    let bytes = 0;
    for (const entry of [...this.#messages, incoming]) {
      const { message } = entry;
      const droppable = droppedBytes < budget.maxQueueBytes / 4 &&
        (message.type === "publication" || message.type === "gap") && message.channel === channel;
      if (!droppable) {
        kept.push(entry);
        bytes += this.#length(entry);
        continue;
      }
      if (gapAt < 0) gapAt = kept.push(entry) - 1;
      droppedBytes += this.#length(entry);
      if (message.type === "publication") {
        dropped++;
        offset = message.offset;
        if (missed !== undefined) missed++;
      } else {
        offset = message.position.offset;
        missed = missed === undefined || message.missed === undefined
          ? undefined
          : missed + message.missed;
      }
    }
    const gap: Gap = {
      type: "gap",
      channel,
      position: { epoch, offset },
      ...(missed !== undefined && { missed }),
    };
    kept[gapAt] = new EncodedMessage(gap);
    bytes += this.#length(kept[gapAt]!);
    const more = bytes - this.#bytes;
    if (more > 0 && budget.add(more) === "overflow") return 0;
    if (more < 0) budget.remove(-more);
    this.#messages = kept;
    this.#bytes = bytes;
    this.#outbound.markLane(this);
    return dropped;
  }

  /** Forgets everything; the budget is not used any more. */
  clear(): void {
    this.#stopWatch();
    this.#messages = NONE;
    this.#bytes = 0;
  }

  #stopWatch(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  #takeAll(): EncodedMessage[] {
    const all = this.#messages;
    this.#messages = NONE;
    this.#bytes = 0;
    return all;
  }

  #take(room: number): EncodedMessage[] {
    let count = 0;
    for (let left = room; left > 0; count++) left -= this.#length(this.#messages[count]!);
    const batch = this.#messages.slice(0, count);
    this.#messages = this.#messages.slice(count);
    for (const message of batch) this.#bytes -= this.#length(message);
    return batch;
  }

  #length(message: EncodedMessage): number {
    return message.bytes(this.#outbound.encoding).byteLength;
  }
}

/** What waits where nothing waits; shared, so never added to. */
const NONE: EncodedMessage[] = [];
