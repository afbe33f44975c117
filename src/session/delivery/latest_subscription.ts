import type { Start } from "../../hub/subscriber.ts";
import type { EncodedMessage } from "../../protocol/encoded_message.ts";
import type { Position, Publication, Unsubscribed } from "../../protocol/message.ts";
import { LatestQueue } from "./latest_queue.ts";
import { Subscription, type SubscriptionOwner } from "./subscription.ts";

/** The newest value of each key: by datagram where there are some, else conflated. */
export class LatestSubscription extends Subscription {
  protected override readonly delivery = "latest";
  #values: LatestQueue | undefined;
  readonly #maxAgeMs: number;
  #keys: Set<string> | undefined;

  /**
   * @param options.keys The keys that are wanted; without them all are.
   * @param options.maxAgeMs How old values may be, when they come, before fewer are sent.
   */
  constructor(
    owner: SubscriptionOwner,
    channel: string,
    commandId: number,
    options: { keys: readonly string[] | undefined; maxAgeMs: number },
  ) {
    super(owner, channel, commandId);
    this.#keys = options.keys && new Set(options.keys);
    this.#maxAgeMs = options.maxAgeMs;
  }

  override get keys(): ReadonlySet<string> | undefined {
    return this.#keys;
  }

  /** Notes which keys are wanted from now on; only of a subscription that has `keys`. */
  want(add: readonly string[], remove: readonly string[]): void {
    for (const key of remove) {
      this.#keys!.delete(key);
      this.#values?.forget(key);
    }
    for (const key of add) this.#keys!.add(key);
  }

  /** Sends the newest values of keys that are wanted anew. */
  replay(values: readonly EncodedMessage[]): void {
    for (const entry of values) {
      const { message } = entry;
      if (message.type === "publication") this.#values?.pushReliable(message.key ?? "", entry);
    }
  }

  /** Takes the client's word of how old values were when they came, in milliseconds. */
  aged(ageMs: number): void {
    this.#values?.aged(ageMs);
  }

  override begin(start: Start, replay: readonly EncodedMessage[]): void {
    const outbound = this.owner.outbound!;
    this.queue = outbound.control;
    this.#values = new LatestQueue(
      this.channel,
      this.#maxAgeMs,
      outbound,
      this.owner,
    );
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
    this.replay(replay);
  }

  override deliver(message: EncodedMessage, publication: Publication, settled: boolean): void {
    const values = this.#values;
    if (values === undefined) return;
    const { key = "", offset } = publication;
    if (settled) return values.settle(key, message);
    if (offset <= this.offset) return;
    this.offset = offset;
    values.pushLive(key, message);
  }

  /** A gap means that the channel's history began anew: the values of the old one are gone. */
  override gap(position: Position): void {
    this.epoch = position.epoch;
    this.offset = position.offset;
    this.say({ type: "gap", channel: this.channel, position });
    const { outbound } = this.owner;
    if (outbound === undefined || !outbound.hasDatagrams) return this.#values?.clear();
    // A datagram that overtook the gap would be taken for one of before it.
    if (this.#values !== undefined) this.say({ type: "mark", number: this.#values.restart() });
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
