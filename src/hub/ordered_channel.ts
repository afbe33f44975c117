import type { HistoryPage } from "../broker/broker.ts";
import type { EncodedMessage } from "../protocol/encoded_message.ts";
import type { Position, Publication } from "../protocol/message.ts";
import { Channel, publicationMessage } from "./channel.ts";
import type { Subscriber } from "./subscriber.ts";

/** A channel that delivers every publication, in order; what was missed comes from history. */
export class OrderedChannel extends Channel {
  /**
   * What was delivered while subscribers read history, for them to go on from; shared by all of
   * them and kept only meanwhile.
   */
  #recent: EncodedMessage[] = [];
  #recentFrom = 0;
  #reading = 0;

  protected override read(since?: Position): Promise<HistoryPage> {
    return since === undefined ? this.#page({ limit: 0 }) : this.#readAfter(since);
  }

  protected override absorb(page: HistoryPage, firstHeld: number | undefined): void {
    const { epoch, offset } = page.position;
    if (epoch !== this.epoch || !page.complete) {
      const first = page.publications[0]?.offset ?? firstHeld ?? offset + 1;
      this.gap({ epoch, offset: Math.min(first - 1, offset) });
    }
    for (const publication of page.publications) {
      if (publication.offset > this.offset) this.accept(publication);
    }
  }

  protected override accept(publication: Publication): void {
    this.offset = publication.offset;
    const message = publicationMessage(publication);
    if (this.#reading > 0) this.#remember(message);
    this.deliver(message, publication, false);
  }

  protected override start(subscriber: Subscriber, position?: Position): Promise<void> | void {
    const nothingMissed = position === undefined ||
      position.epoch === this.epoch && position.offset === this.offset;
    if (!nothingMissed) return this.#recover(subscriber, position);
    this.add(subscriber);
    subscriber.begin({ delivery: "ordered", position: this.position, recovered: true }, []);
  }

  async #recover(subscriber: Subscriber, asked: Position): Promise<void> {
    if (this.#reading++ === 0) this.#recentFrom = this.offset + 1;
    try {
      const replay: EncodedMessage[] = [];
      let since = asked;
      let recovered = true;
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const page = await this.#readAfter(since);
        if (!this.isJoining(subscriber)) return;
        const sameHistory = page.position.epoch === this.epoch;
        if (!page.complete || !sameHistory) {
          recovered = false;
          replay.length = 0;
        }
        since = page.position;
        // The channel has yet to hear of a new history, or the page is of the one before it.
        if (!sameHistory) continue;
        for (const publication of page.publications) replay.push(publicationMessage(publication));
        if (since.offset + 1 < this.#recentFrom) continue;
        const position = this.#appendRecent(replay, since);
        this.add(subscriber);
        return subscriber.begin({ delivery: "ordered", position, recovered }, replay);
      }
      this.add(subscriber);
      subscriber.begin({ delivery: "ordered", position: this.position, recovered: false }, []);
    } finally {
      if (--this.#reading === 0) this.#recent = [];
    }
  }

  /** Continues a replay that reaches up to `since` with what was delivered after it. */
  #appendRecent(replay: EncodedMessage[], since: Position): Position {
    for (
      let at = Math.max(0, since.offset + 1 - this.#recentFrom);
      at < this.#recent.length;
      at++
    ) {
      replay.push(this.#recent[at]!);
    }
    return since.offset > this.offset ? since : this.position;
  }

  #remember(message: EncodedMessage): void {
    if (this.#recent.length >= MAX_RECENT) {
      this.#recent = this.#recent.slice(MAX_RECENT / 2);
      this.#recentFrom += MAX_RECENT / 2;
    }
    this.#recent.push(message);
  }

  protected override gap(position: Position): void {
    // Offsets jump, so what is remembered is no unbroken row any more.
    this.#recent = [];
    this.#recentFrom = position.offset + 1;
    super.gap(position);
  }

  /** Everything after `since`, in as many pages as it takes. */
  async #readAfter(since: Position): Promise<HistoryPage> {
    const limit = Math.max(1, this.namespace.historySize);
    const first = await this.#page({ since, limit });
    const publications = [...first.publications];
    let { position } = first;
    for (let pages = 1; pages < MAX_PAGES; pages++) {
      const last = publications.at(-1);
      if (last === undefined || last.offset >= position.offset) break;
      const next = await this.#page({ since: { ...position, offset: last.offset }, limit });
      // A hole between two pages: what precedes it cannot be given out as whole.
      if (!next.complete || next.publications.length === 0) return { ...next, complete: false };
      publications.push(...next.publications);
      ({ position } = next);
    }
    return { publications, position, complete: first.complete };
  }

  #page(query: { since?: Position; limit: number }): Promise<HistoryPage> {
    return this.context.broker.history(this.name, this.namespace.retention, query);
  }
}

/** Reads of one recovery: a channel that outruns three of them is told as not recovered. */
const MAX_ROUNDS = 3;

/** As many as are held while a channel heals: one read of history at 10,000 a second. */
const MAX_RECENT = 1024;

/** A broker that trims loosely may keep more than `historySize`; twice as much is generous. */
const MAX_PAGES = 4;
