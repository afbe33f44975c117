import type { TimerId } from "../../policy/clock.ts";
import { EncodedMessage } from "../../protocol/encoded_message.ts";
import type { Lane } from "../../transport/transport.ts";
import type { Outbound } from "./outbound.ts";
import { Pace } from "./pace.ts";
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
  /** Live values: by datagram if they fit, and then at risk. */
  readonly #live = new Map<string, EncodedMessage>();
  /** Values that must arrive. */
  readonly #reliable = new Map<string, EncodedMessage>();
  /** The keys whose newest value went by datagram and may be lost, and that datagram's number. */
  readonly #atRisk = new Map<string, number>();
  /** Live values must not overtake what the control lane brings until this number has come. */
  #barrier = 0;
  /** The stream of the last values that no datagram takes. */
  #stream: Lane | undefined;
  /** Values that a newer one of their key has replaced since the last flush, in count. */
  #conflated = 0;
  readonly #pace: Pace;
  /** Until a client that falls behind is sent the next values. */
  #timer: TimerId | undefined;

  constructor(channel: string, maxAgeMs: number, outbound: Outbound, owner: SubscriptionOwner) {
    this.channel = channel;
    this.#outbound = outbound;
    this.#owner = owner;
    this.#pace = new Pace(maxAgeMs);
  }

  /** Queues a live value; an older one of its key is forgotten. */
  pushLive(key: string, message: EncodedMessage): void {
    const datagrams = this.#barrier === 0 && this.#outbound.hasDatagrams;
    if (datagrams && this.#reliable.delete(key)) this.#conflated++;
    const values = datagrams ? this.#live : this.#reliable;
    const { size } = values;
    values.set(key, message);
    if (values.size === size) this.#conflated++;
    this.#mark();
  }

  /** Queues a value that must arrive. */
  pushReliable(key: string, message: EncodedMessage): void {
    this.#reliable.set(key, message);
    this.#mark();
  }

  /** Sends a value again that may have been lost, now that its key is quiet. */
  settle(key: string, message: EncodedMessage): void {
    if (this.#live.delete(key) || this.#atRisk.delete(key)) this.pushReliable(key, message);
  }

  /** Forgets a key that is not wanted any more. */
  forget(key: string): void {
    this.#live.delete(key);
    this.#reliable.delete(key);
    this.#atRisk.delete(key);
  }

  /**
   * Forgets all values, and sends none by datagram until the client has got the mark of the number
   * that this returns, on the control lane.
   */
  restart(): number {
    this.clear();
    return this.#barrier = this.#outbound.datagrams.expectMark(this);
  }

  clear(): void {
    if (this.#timer !== undefined) this.#outbound.wheel.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#barrier > 0) this.#outbound.datagrams.forgetMark(this.#barrier);
    this.#barrier = 0;
    this.#live.clear();
    this.#reliable.clear();
    this.#atRisk.clear();
  }

  /** The client has got a mark on the control lane. */
  reached(number: number): void {
    if (number === this.#barrier) this.#barrier = 0;
  }

  /**
   * The client cannot tell of a mark any more: while it was under way, too many datagrams came. A
   * new one says as much, once the control lane takes it without a wait.
   */
  overtaken(number: number): void {
    if (number !== this.#barrier) return;
    const { control, datagrams } = this.#outbound;
    this.#barrier = datagrams.expectMark(this);
    if (!this.#outbound.controlHasRoom()) return;
    control.push(new EncodedMessage({ type: "mark", number: this.#barrier }));
  }

  /** How old the client says that its values are when they come, in milliseconds. */
  aged(ageMs: number): void {
    this.#pace.aged(ageMs);
  }

  /** Hands the live values over to be sent as few datagrams. */
  flushLive(): void {
    for (const [key, message] of this.#live) this.#outbound.datagrams.add(this, key, message);
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

  /** A value left in the datagram of this number. */
  sent(key: string, number: number): void {
    this.#atRisk.set(key, number);
    // Where keys never settle, a client that tells nothing would have it grow with every new key.
    if (this.#atRisk.size > MAX_AT_RISK) this.#atRisk.delete(this.#atRisk.keys().next().value!);
  }

  /** The datagram of this number has come. */
  arrived(key: string, number: number): void {
    if (this.#atRisk.get(key) === number) this.#atRisk.delete(key);
  }

  /** The datagram of this number is lost: its value goes again, unless a newer one has gone or waits. */
  lost(key: string, number: number, message: EncodedMessage): void {
    if (this.#atRisk.get(key) !== number) return;
    this.#atRisk.delete(key);
    if (!this.#live.has(key) && !this.#reliable.has(key)) this.pushReliable(key, message);
  }

  /**
   * Sends a value that no datagram takes, by a stream of its own: it holds up nothing behind it. As
   * long as the network has not taken the last one, the newest waits for the control lane.
   */
  oversize(key: string, message: EncodedMessage): void {
    const idle = this.#stream === undefined || this.#stream.bufferedBytes === 0;
    const stream = idle && !this.#reliable.has(key)
      ? this.#outbound.transport.openLane()
      : undefined;
    if (stream === undefined) return this.pushReliable(key, message);
    this.#atRisk.delete(key);
    stream.write([message]);
    stream.close();
    this.#stream = stream;
  }

  #mark(): void {
    if (this.marked || this.#timer !== undefined) return;
    if (!this.#pace.slow) return this.#outbound.markLatest(this);
    const { clock } = this.#outbound.wheel;
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      this.#pace.sent(clock.now());
      if (!this.marked) this.#outbound.markLatest(this);
    }, this.#pace.waitMs(clock.now()));
  }
}

/** Far above the `maxKeys` of any channel that one session can follow. */
const MAX_AT_RISK = 65_536;
