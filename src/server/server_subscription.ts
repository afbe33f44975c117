import type { Subscriber } from "../hub/subscriber.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Publication } from "../protocol/message.ts";

/** What an app hears of a channel in its own process. Nothing is queued: it is called in the turn. */
export interface ChannelListener {
  /** A publication, in offset order, none twice; of a `latest` channel its present values first. */
  readonly onPublication: (publication: Publication) => void;
  /** Publications were missed and cannot be healed, as after Redis lost its data. */
  readonly onGap?: () => void;
}

/** An app's own subscription: a subscriber of the hub without a session. */
export class ServerSubscription implements Subscriber {
  slot = -1;
  readonly #listener: ChannelListener;
  /** The newest offset that was handed on. */
  #offset = 0;

  constructor(listener: ChannelListener) {
    this.#listener = listener;
  }

  begin(_start: unknown, replay: readonly EncodedMessage[]): void {
    for (const { message } of replay) {
      if (message.type === "publication") this.#hand(message);
    }
  }

  deliver(_message: EncodedMessage, publication: Publication): void {
    this.#hand(publication);
  }

  inform(): void {}

  gap({ offset }: { readonly offset: number }): void {
    this.#offset = offset;
    this.#listener.onGap?.();
  }

  #hand(publication: Publication): void {
    // What is settled comes again.
    if (publication.offset <= this.#offset) return;
    this.#offset = publication.offset;
    this.#listener.onPublication(publication);
  }
}
