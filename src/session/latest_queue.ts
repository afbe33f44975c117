import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Outbound } from "./outbound.ts";
import type { SubscriptionOwner } from "./subscription.ts";

/**
 * What waits for one `latest` subscription: the newest value of each key. A value is a reference
 * to bytes that the channel holds anyway, so the bound is the channel's `maxKeys`, in count.
 */
export class LatestQueue {
  /** The subscription's channel has handed its newest values over, and they wait for a flush. */
  marked = false;
  readonly channel: string;
  readonly #outbound: Outbound;
  readonly #owner: SubscriptionOwner;
  /** Live values: by datagram if they fit, and then the hub settles them. */
  readonly #live = new Map<string, EncodedMessage>();
  /** Values that must arrive. */
  readonly #reliable = new Map<string, EncodedMessage>();
  /** The newest offset that went by datagram: what is after it was never at risk. */
  #datagramOffset = 0;

  /** Values that a newer one of their key has replaced since the last flush, in count. */
  #conflated = 0;

  constructor(channel: string, outbound: Outbound, owner: SubscriptionOwner) {
    this.channel = channel;
    this.#outbound = outbound;
    this.#owner = owner;
  }

  /** Queues a live value; an older one of its key is forgotten. */
  pushLive(key: string, message: EncodedMessage): void {
    const values = this.#outbound.hasDatagrams ? this.#live : this.#reliable;
    const { size } = values;
    values.set(key, message);
    if (values.size === size) this.#conflated++;
    if (!this.marked) this.#outbound.markLatest(this);
  }

  /** Queues a value that must arrive. */
  pushReliable(key: string, message: EncodedMessage): void {
    this.#reliable.set(key, message);
    if (!this.marked) this.#outbound.markLatest(this);
  }

  /** Sends a value again that may have been lost, now that its key is quiet. */
  settle(key: string, message: EncodedMessage, offset: number): void {
    if (this.#live.delete(key) || offset <= this.#datagramOffset) this.pushReliable(key, message);
  }

  clear(): void {
    this.#live.clear();
    this.#reliable.clear();
  }

  /** Sends the live values as few datagrams; those that do not fit or find no room must arrive. */
  flushLive(): void {
    if (this.#live.size === 0) return;
    const { transport, encoding } = this.#outbound;
    let batch: [string, EncodedMessage][] = [];
    let bytes = 0;
    for (const entry of this.#live) {
      const length = entry[1].bytes(encoding).byteLength;
      if (batch.length > 0 && bytes + length > transport.maxDatagramSize) {
        this.#sendDatagram(batch);
        batch = [];
        bytes = 0;
      }
      batch.push(entry);
      bytes += length;
    }
    this.#sendDatagram(batch);
    this.#live.clear();
  }

  /** Moves values to the control lane's queue while it takes them; true if none are left. */
  flushReliable(): boolean {
    if (this.#conflated > 0) {
      this.#owner.conflatedFor(this.channel, this.#conflated);
      this.#conflated = 0;
    }
    const outbound = this.#outbound;
    for (const [key, message] of this.#reliable) {
      if (!outbound.controlHasRoom() || !outbound.control.push(message)) return false;
      this.#reliable.delete(key);
    }
    return true;
  }

  #sendDatagram(batch: readonly [string, EncodedMessage][]): void {
    if (this.#outbound.transport.sendDatagram(batch.map(([, message]) => message))) {
      for (const [, { message }] of batch) {
        if (message.type === "publication" && message.offset > this.#datagramOffset) {
          this.#datagramOffset = message.offset;
        }
      }
    } else {
      for (const [key, message] of batch) this.#reliable.set(key, message);
    }
  }
}
