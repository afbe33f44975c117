import assert from "node:assert/strict";
import fc from "fast-check";
import { ChannelSubscription, type SubscriptionHost } from "../../src/client/subscription.ts";
import type { Position, Publication } from "../../src/protocol/message.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { FakeClock } from "../fake_clock.ts";

const EPOCH = "e";

function publication(offset: number, key?: string): Publication {
  const data = { format: "binary", bytes: new Uint8Array(0) } as const;
  return { channel: "c", offset, time: 0, data, ...(key !== undefined && { key }) };
}

/** A subscription and the server's end of it: what it publishes, keeps, loses and repeats. */
class Model {
  /** What the application hears: offsets, and gaps up to an offset. */
  readonly heard: ({ offset: number } | { gapTo: number })[] = [];
  readonly subscription: ChannelSubscription;
  #newest = 0;
  /** The oldest publication that is still kept. */
  #oldest = 1;
  #commandId = 0;
  #position: Position | undefined;
  /** The next offset to deliver; `undefined` while the client is not subscribed. */
  #next: number | undefined;

  constructor() {
    const host: SubscriptionHost = {
      clock: new FakeClock(),
      random: seededRandom(1),
      serverTimeMs: undefined,
      reportAge: () => {},
      trouble: (error) => {
        throw error;
      },
      remove: () => {},
      command: (command) => {
        if (command.type === "subscribe") {
          this.#commandId++;
          this.#position = command.position;
        }
        this.#next = undefined;
        return { id: this.#commandId, reply: new Promise(() => {}) };
      },
    };
    this.subscription = new ChannelSubscription("c", {
      onPublication: ({ offset }) => this.heard.push({ offset }),
      onGap: ({ position }) => this.heard.push({ gapTo: position.offset }),
    }, host);
    this.subscription.connected(false);
    this.confirm();
  }

  publish(): void {
    this.#newest++;
  }

  /** Keeps no more than that many publications. */
  trim(kept: number): void {
    this.#oldest = Math.max(this.#oldest, this.#newest - kept + 1);
  }

  /** Answers the subscribe command that waits, if one does. */
  confirm(): void {
    if (this.#next !== undefined) return;
    this.#subscribed(this.#commandId, this.#position);
  }

  deliver(): void {
    if (this.#next !== undefined && this.#next <= this.#newest) {
      this.subscription.publication(publication(this.#next++));
    }
  }

  repeat(back: number): void {
    if (this.#next !== undefined && this.#next > back) {
      this.subscription.publication(publication(this.#next - back));
    }
  }

  lose(): void {
    if (this.#next !== undefined && this.#next < this.#newest) this.#next++;
  }

  cut(resumed: boolean): void {
    const known = this.subscription.resumePosition;
    this.#next = undefined;
    this.subscription.interrupted();
    this.subscription.connected(resumed);
    if (resumed && known !== undefined) this.#subscribed(0, known);
  }

  finish(): void {
    for (let round = 0; round < 3; round++) {
      this.confirm();
      while (this.#next !== undefined && this.#next <= this.#newest) this.deliver();
    }
  }

  /** Every offset is heard, once and in order, or a gap covers it. */
  check(): void {
    let last = 0;
    for (const event of this.heard) {
      if ("gapTo" in event) {
        assert(event.gapTo > last, `a gap that is none: ${JSON.stringify(this.heard)}`);
        last = event.gapTo;
      } else {
        assert.equal(event.offset, last + 1, JSON.stringify(this.heard));
        last = event.offset;
      }
    }
    assert.equal(last, this.#newest);
  }

  #subscribed(id: number, asked: Position | undefined): void {
    const recovered = asked === undefined || asked.offset + 1 >= this.#oldest;
    const from = asked === undefined ? 0 : recovered ? asked.offset : this.#oldest - 1;
    this.#next = from + 1;
    this.subscription.subscribed({
      type: "subscribed",
      id,
      channel: "c",
      delivery: "ordered",
      position: { epoch: EPOCH, offset: from },
      recovered,
    });
  }
}

Deno.test("whatever is lost, repeated or cut, each publication is heard once, in order, or a gap says so", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant((model: Model) => model.publish()) },
    { weight: 6, arbitrary: fc.constant((model: Model) => model.deliver()) },
    { weight: 2, arbitrary: fc.constant((model: Model) => model.confirm()) },
    fc.constant((model: Model) => model.lose()),
    fc.integer({ min: 1, max: 5 }).map((back) => (model: Model) => model.repeat(back)),
    fc.boolean().map((resumed) => (model: Model) => model.cut(resumed)),
    fc.nat(3).map((kept) => (model: Model) => model.trim(kept)),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new Model();
      for (const run of steps) run(model);
      model.finish();
      model.check();
    }),
    { seed: 23, numRuns: 2000 },
  );
});

Deno.test("whatever order datagrams come in, no key of a latest channel goes backwards", () => {
  const update = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    offset: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(fc.array(update, { maxLength: 80 }), (updates) => {
      const heard = new Map<string, number>();
      const subscription = new ChannelSubscription("c", {
        onPublication: ({ key, offset }) => {
          assert(offset > (heard.get(key!) ?? 0));
          heard.set(key!, offset);
        },
      }, {
        clock: new FakeClock(),
        random: seededRandom(1),
        serverTimeMs: undefined,
        reportAge: () => {},
        trouble: () => {},
        remove: () => {},
        command: () => ({ id: 1, reply: new Promise(() => {}) }),
      });
      subscription.connected(false);
      subscription.subscribed({
        type: "subscribed",
        id: 1,
        channel: "c",
        delivery: "latest",
        position: { epoch: EPOCH, offset: 0 },
        recovered: true,
      });
      const newest = new Map<string, number>();
      for (const { key, offset } of updates) {
        subscription.publication(publication(offset, key));
        newest.set(key, Math.max(newest.get(key) ?? 0, offset));
      }
      assert.deepEqual(heard, newest);
    }),
    { seed: 5 },
  );
});
