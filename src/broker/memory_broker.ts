import type { Position, Publication } from "../protocol/message.ts";
import type { Broker, BrokerSink, HistoryPage, NewPublication, Retention } from "./broker.ts";
import type { MemoryStore } from "./memory_store.ts";

/**
 * The broker of a node that stands alone. It delivers within `publish`, so that by the time a
 * publisher has its answer, every subscriber has the publication in its queue.
 */
export class MemoryBroker implements Broker {
  readonly #store: MemoryStore;
  readonly #subscribed = new Set<string>();
  #sink: BrokerSink | undefined;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  start(sink: BrokerSink): Promise<void> {
    this.#sink = sink;
    this.#store.attach(this.#deliver);
    return Promise.resolve();
  }

  // Async, so that what the store throws rejects.
  // deno-lint-ignore require-await
  async subscribe(channel: string, retention: Retention): Promise<void> {
    if (this.#subscribed.has(channel)) return;
    this.#store.retain(channel, retention);
    this.#subscribed.add(channel);
  }

  unsubscribe(channel: string): void {
    if (this.#subscribed.delete(channel)) this.#store.release(channel);
  }

  // deno-lint-ignore require-await
  async publish(publication: NewPublication, retention: Retention): Promise<Position> {
    return this.#store.publish(publication, retention);
  }

  // deno-lint-ignore require-await
  async history(
    channel: string,
    retention: Retention,
    query: { since?: Position; limit: number },
  ): Promise<HistoryPage> {
    return this.#store.open(channel, retention).history(query.since, query.limit);
  }

  // deno-lint-ignore require-await
  async latest(channel: string, retention: Retention): Promise<HistoryPage> {
    return this.#store.open(channel, retention).latest();
  }

  close(): Promise<void> {
    for (const channel of this.#subscribed) this.#store.release(channel);
    this.#subscribed.clear();
    this.#store.detach(this.#deliver);
    return Promise.resolve();
  }

  readonly #deliver = (publication: Publication): void => {
    if (this.#subscribed.has(publication.channel)) this.#sink!.publication(publication);
  };
}
