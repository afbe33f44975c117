import type {
  Broker,
  BrokerSink,
  HistoryPage,
  NewPublication,
  Retention,
} from "../../src/broker/broker.ts";
import { CommandError, ErrorCode } from "../../src/protocol/error_code.ts";
import type { Position, Publication } from "../../src/protocol/message.ts";

/**
 * A broker as it is over a network: deliveries lag and are lost, answers wait, and all of it
 * happens when a test says so.
 */
export class UnsteadyBroker implements Broker {
  /** Every read and subscription is refused. */
  down = false;
  readonly #inner: Broker;
  #sink: BrokerSink | undefined;
  #undelivered: Publication[] = [];
  #unanswered: (() => void)[] = [];
  readonly #subscribed = new Map<string, Retention>();

  constructor(inner: Broker) {
    this.#inner = inner;
  }

  get waiting(): number {
    return this.#unanswered.length;
  }

  start(sink: BrokerSink): Promise<void> {
    this.#sink = sink;
    return this.#inner.start({
      publication: (publication) => this.#undelivered.push(publication),
      interrupted: (channel, position) => sink.interrupted(channel, position),
    });
  }

  /** Delivers what is on its way. */
  deliver(): void {
    const publications = this.#undelivered;
    this.#undelivered = [];
    for (const publication of publications) {
      if (this.#subscribed.has(publication.channel)) this.#sink!.publication(publication);
    }
  }

  /** Loses what is on its way. */
  lose(): void {
    this.#undelivered = [];
  }

  /** Answers everything that was asked. */
  answer(): void {
    const unanswered = this.#unanswered;
    this.#unanswered = [];
    for (const resolve of unanswered) resolve();
  }

  /** Answers what was asked last. */
  answerLast(): void {
    this.#unanswered.pop()?.();
  }

  /** Tells the hub that any channel may have missed something. */
  async interrupt(): Promise<void> {
    for (const [channel, retention] of this.#subscribed) {
      const { position } = await this.#inner.history(channel, retention, { limit: 0 });
      this.#sink!.interrupted(channel, position);
    }
  }

  /** Has the backend begin the channel's history anew, and the node hear of it. */
  async restart(channel: string, forget: (channel: string) => void): Promise<void> {
    this.#undelivered = this.#undelivered.filter((publication) => publication.channel !== channel);
    forget(channel);
    const retention = this.#subscribed.get(channel);
    if (retention === undefined) return;
    const { position } = await this.#inner.history(channel, retention, { limit: 0 });
    this.#sink!.interrupted(channel, position);
  }

  async subscribe(channel: string, retention: Retention): Promise<void> {
    this.#subscribed.set(channel, retention);
    await this.#inner.subscribe(channel, retention);
    await this.#answered();
  }

  unsubscribe(channel: string): void {
    this.#subscribed.delete(channel);
    this.#inner.unsubscribe(channel);
  }

  publish(publication: NewPublication, retention: Retention): Promise<Position> {
    return this.#inner.publish(publication, retention);
  }

  async history(
    channel: string,
    retention: Retention,
    query: { since?: Position; limit: number },
  ): Promise<HistoryPage> {
    const page = await this.#inner.history(channel, retention, query);
    await this.#answered();
    return page;
  }

  async latest(channel: string, retention: Retention): Promise<HistoryPage> {
    const page = await this.#inner.latest(channel, retention);
    await this.#answered();
    return page;
  }

  close(): Promise<void> {
    this.answer();
    return this.#inner.close();
  }

  async #answered(): Promise<void> {
    await new Promise<void>((resolve) => this.#unanswered.push(resolve));
    if (this.down) throw new CommandError(ErrorCode.UNAVAILABLE, "The broker is gone");
  }
}
