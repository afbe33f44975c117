import type { Start } from "../../hub/subscriber.ts";
import type { OverflowPolicy } from "../../policy/backpressure.ts";
import { EncodedMessage } from "../../protocol/encoded_message.ts";
import type { Gap, Position, Publication } from "../../protocol/message.ts";
import type { LaneQueue } from "./lane_queue.ts";
import { Subscription, type SubscriptionOwner } from "./subscription.ts";

/** Every publication, in order, on a lane of its own where there are such. */
export class OrderedSubscription extends Subscription {
  protected override readonly delivery = "ordered";
  readonly #overflow: OverflowPolicy;

  constructor(
    owner: SubscriptionOwner,
    channel: string,
    commandId: number,
    overflow: OverflowPolicy,
  ) {
    super(owner, channel, commandId);
    this.#overflow = overflow;
  }

  /**
   * Replays what fits into half of the room in the queue, the newest; what precedes it is said as
   * missing. More could only end in the overflow that the client comes back from.
   */
  override begin(start: Start, replay: readonly EncodedMessage[]): void {
    const outbound = this.owner.outbound!;
    this.queue = outbound.openLane();
    let room = outbound.freeBytes / 2;
    let first = replay.length;
    while (first > 0) {
      room -= replay[first - 1]!.bytes(outbound.encoding).byteLength;
      if (room < 0) break;
      first--;
    }
    this.epoch = start.position.epoch;
    this.offset = first < replay.length ? offsetOf(replay[first]!) - 1 : start.position.offset;
    this.say({
      type: "subscribed",
      id: this.answerId,
      channel: this.channel,
      delivery: "ordered",
      position: this.position,
      recovered: start.recovered && first === 0,
    });
    if (first > 0) this.owner.droppedFor(this.channel, first);
    for (let at = first; at < replay.length; at++) {
      const message = replay[at]!;
      if (!this.queue?.push(message)) return this.owner.tooSlow(this.channel);
      this.offset = offsetOf(message);
    }
  }

  override deliver(message: EncodedMessage, publication: Publication): void {
    if (publication.offset <= this.offset) return;
    const { queue } = this;
    if (queue === undefined) return;
    if (queue.push(message)) {
      this.offset = publication.offset;
    } else {
      this.#overflowed(queue, message, publication);
    }
  }

  override gap(position: Position): void {
    const { queue } = this;
    const sameHistory = position.epoch === this.epoch;
    if (queue === undefined || sameHistory && position.offset <= this.offset) return;
    // What waits of a history that is gone is no use, and its offsets would mix with the new ones.
    if (!sameHistory) queue.dropPublications(this.channel);
    const { channel } = this;
    const gap: Gap = sameHistory
      ? { type: "gap", channel, position, missed: position.offset - this.offset }
      : { type: "gap", channel, position };
    if (!queue.push(new EncodedMessage(gap))) return this.owner.tooSlow(channel);
    this.epoch = position.epoch;
    this.offset = position.offset;
  }

  #overflowed(queue: LaneQueue, message: EncodedMessage, { offset }: Publication): void {
    const { channel, epoch } = this;
    const dropped = this.#overflow === "gap" ? queue.pushOverOldest(message, channel, epoch) : 0;
    if (dropped === 0) return this.owner.tooSlow(channel);
    this.offset = offset;
    this.owner.droppedFor(channel, dropped);
  }
}

function offsetOf({ message }: EncodedMessage): number {
  if (message.type !== "publication") throw new TypeError(`A replay holds a ${message.type}`);
  return message.offset;
}
