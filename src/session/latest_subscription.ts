import type { Start } from "../hub/subscriber.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Position, Publication, Unsubscribed } from "../protocol/message.ts";
import { LatestQueue } from "./latest_queue.ts";
import { Subscription } from "./subscription.ts";

/** The newest value of each key: by datagram where there are some, else conflated. */
export class LatestSubscription extends Subscription {
  protected override readonly delivery = "latest";
  #values: LatestQueue | undefined;

  override begin(start: Start, replay: readonly EncodedMessage[]): void {
    const outbound = this.owner.outbound!;
    this.queue = outbound.control;
    const values = this.#values = new LatestQueue(this.channel, outbound, this.owner);
    this.epoch = start.position.epoch;
    this.offset = start.position.offset;
    this.say({
      type: "subscribed",
      id: this.answerId,
      channel: this.channel,
      delivery: "latest",
      position: start.position,
      recovered: start.recovered,
    });
    for (const entry of replay) {
      const { message } = entry;
      if (message.type === "publication") values.pushReliable(message.key ?? "", entry);
    }
  }

  override deliver(message: EncodedMessage, publication: Publication, settled: boolean): void {
    const values = this.#values;
    if (values === undefined) return;
    const { key = "", offset } = publication;
    if (settled) return values.settle(key, message, offset);
    if (offset <= this.offset) return;
    this.offset = offset;
    values.pushLive(key, message);
  }

  /** A gap means that the channel's history began anew: the values of the old one are gone. */
  override gap(position: Position): void {
    this.#values?.clear();
    this.epoch = position.epoch;
    this.offset = position.offset;
    this.say({ type: "gap", channel: this.channel, position });
  }

  override suspend(before: number | undefined): void {
    super.suspend(before);
    this.#values?.clear();
    this.#values = undefined;
  }

  override end(message: Unsubscribed): void {
    this.#values?.clear();
    this.#values = undefined;
    super.end(message);
  }
}
