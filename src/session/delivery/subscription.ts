import type { Start, Subscriber } from "../../hub/subscriber.ts";
import { EncodedMessage } from "../../protocol/encoded_message.ts";
import type {
  Delivery,
  Position,
  Publication,
  ServerMessage,
  Unsubscribed,
} from "../../protocol/message.ts";
import type { LaneQueue } from "./lane_queue.ts";
import { NOWHERE, type Outbound } from "./outbound.ts";

/** What a subscription needs of its session. */
export interface SubscriptionOwner {
  readonly id: string;
  /** Where messages go; `undefined` while the session has no transport. */
  readonly outbound: Outbound | undefined;
  /** Closes the transport with 3002: its queue has no room for a message of `channel`. */
  tooSlow(channel: string): void;
  /** Counts publications of `channel` that were dropped: there is no room for them. */
  droppedFor(channel: string, count: number): void;
  /** Counts values of `channel` that newer ones have replaced before they were sent. */
  conflatedFor(channel: string, count: number): void;
}

/**
 * One channel of one session. It is kept while the session waits for its client, without its
 * queue; after a resume the hub begins it anew.
 */
export abstract class Subscription implements Subscriber {
  slot = -1;
  readonly session: string;
  readonly channel: string;
  /** The command that made it: the same one again is no second subscription. */
  readonly commandId: number;
  /** The `id` of the next `subscribed`; 0 once the command is answered. */
  answerId: number;
  /** Whether it counts among those of its user and its address. */
  counted = false;
  /** Whether it is told of joins and leaves. */
  hearsPresence = false;
  protected readonly owner: SubscriptionOwner;
  protected epoch = "";
  /** The newest offset that was queued, or that a resume begins from. */
  protected offset = 0;
  /** Where the messages of the subscription go; `undefined` until it begins. */
  protected queue: LaneQueue | undefined;
  #suspended = false;

  constructor(owner: SubscriptionOwner, channel: string, commandId: number) {
    this.owner = owner;
    this.session = owner.id;
    this.channel = channel;
    this.commandId = commandId;
    this.answerId = commandId;
  }

  /** The keys of a `latest` channel that are wanted; `undefined`: all. */
  get keys(): ReadonlySet<string> | undefined {
    return undefined;
  }

  /** Whether its `subscribed` is queued or sent. */
  get begun(): boolean {
    return this.queue !== undefined;
  }

  /** Whether it has begun on any transport: then it lasts as long as the session. */
  get kept(): boolean {
    return this.begun || this.#suspended;
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.offset };
  }

  abstract begin(start: Start, replay: readonly EncodedMessage[]): void;
  abstract deliver(message: EncodedMessage, publication: Publication, settled: boolean): void;
  abstract gap(position: Position): void;

  inform(message: EncodedMessage): void {
    if (this.hearsPresence) this.answer(message);
  }

  /** Queues the answer to a command about the channel, on its lane. */
  answer(message: EncodedMessage): void {
    if (this.queue !== undefined && !this.queue.push(message)) {
      this.owner.tooSlow(this.channel);
    }
  }

  /** Says once more that it runs, from where it is: its client has lost the answer. */
  repeatSubscribed(): void {
    this.say({
      type: "subscribed",
      id: this.commandId,
      channel: this.channel,
      delivery: this.delivery,
      position: this.position,
      recovered: true,
    });
  }

  /** Has the next resume begin from where the client says that it is. */
  resumeFrom(position: Position): void {
    this.epoch = position.epoch;
    this.offset = position.offset;
  }

  /**
   * Gives up its queue with the transport. `before` is the offset before the first publication
   * that was not written, if there is one.
   */
  suspend(before: number | undefined): void {
    this.queue = undefined;
    this.#suspended = true;
    this.answerId = 0;
    if (before === undefined) return;
    if (before === NOWHERE) this.epoch = "";
    else this.offset = before;
  }

  /** Queues its last message; publications that still wait are not wanted any more. */
  end(message: Unsubscribed): void {
    const { queue } = this;
    if (queue === undefined) return;
    queue.dropPublications(this.channel);
    this.say(message);
    this.queue = undefined;
    this.owner.outbound?.closeLane(queue);
  }

  protected abstract readonly delivery: Delivery;

  /** Queues a message that is for this session alone. */
  protected say(message: ServerMessage): void {
    if (this.queue?.push(new EncodedMessage(message)) === false) {
      this.owner.tooSlow(this.channel);
    }
  }
}
