import assert from "node:assert/strict";
import type { Broker, BrokerSink, NewPublication, Retention } from "../../src/broker/broker.ts";
import type { Presence, PresenceSink } from "../../src/broker/presence.ts";
import type { Member, Position, Publication } from "../../src/protocol/message.ts";

/** Several nodes that share one backend, and the power over its time and its data. */
export interface BrokerHarness {
  readonly nodes: readonly Broker[];
  /** Resolves once everything published has been delivered. */
  delivered(): Promise<void>;
  /** Lets time pass, in milliseconds; waits for it where it cannot be moved. */
  advance(ms: number): Promise<void>;
  /** Has the backend lose a channel, as a crash would. */
  forget(channel: string): Promise<void>;
  close(): Promise<void>;
}

export interface PresenceHarness {
  /** All are subscribed to the channel "c". */
  readonly nodes: readonly Presence[];
  delivered(): Promise<void>;
  close(): Promise<void>;
}

/** What every `Broker` must do, whatever is behind it. */
export function testBroker(
  name: string,
  create: (nodes: number) => Promise<BrokerHarness>,
): void {
  const test = (title: string, run: (context: Context) => Promise<void>) =>
    Deno.test(`${name}: ${title}`, async () => {
      const harness = await create(2);
      const sinks = harness.nodes.map(() => new RecordingSink());
      for (const [at, node] of harness.nodes.entries()) await node.start(sinks[at]!);
      try {
        await run({ harness, sinks, a: harness.nodes[0]!, b: harness.nodes[1]! });
      } finally {
        await harness.close();
      }
    });

  test("offsets count from 1, and every subscribed node gets them in order", async (context) => {
    const { a, b, harness, sinks } = context;
    await a.subscribe("c", KEEP);
    await b.subscribe("c", KEEP);
    const positions = [];
    for (const value of ["1", "2", "3"]) positions.push(await a.publish(text("c", value), KEEP));
    positions.push(await b.publish(text("c", "4"), KEEP));
    await harness.delivered();
    assert.deepEqual(positions.map(({ offset }) => offset), [1, 2, 3, 4]);
    assert.equal(new Set(positions.map(({ epoch }) => epoch)).size, 1);
    for (const sink of sinks) {
      assert.deepEqual(sink.log("c"), ["1:1", "2:2", "3:3", "4:4"]);
    }
  });

  test("publishes of one node keep their order without being awaited", async (context) => {
    const { a, harness, sinks } = context;
    await a.subscribe("c", KEEP);
    const all = Array.from({ length: 50 }, (_, at) => a.publish(text("c", `${at + 1}`), KEEP));
    await Promise.all(all);
    await harness.delivered();
    assert.deepEqual(sinks[0]!.log("c"), all.map((_, at) => `${at + 1}:${at + 1}`));
  });

  test("more at once than fits into one step keeps its order too, in each channel", async (context) => {
    const { a, b, harness, sinks } = context;
    await a.subscribe("c", KEEP);
    await b.subscribe("c", KEEP);
    await b.subscribe("d", LATEST);
    const padding = "x".repeat(4000);
    const values = Array.from({ length: 300 }, (_, at) => `${at} ${padding}`);
    const asked = values.flatMap((value, at) => [
      a.publish(text("c", value), KEEP),
      a.publish({ ...text("d", value), key: `${at}` }, LATEST),
    ]);
    const positions = await Promise.all(asked);
    await harness.delivered();
    const expected = values.map((value, at) => `${at + 1}:${value}`);
    assert.deepEqual(
      positions.map(({ offset }) => offset),
      values.flatMap((_, at) => [at + 1, at + 1]),
    );
    for (const sink of sinks) assert.deepEqual(sink.log("c"), expected);
    assert.deepEqual(sinks[1]!.log("d"), expected);
    const { publications } = await a.history("c", KEEP, { limit: 2 });
    assert.deepEqual(publications.map(({ offset }) => offset), [299, 300]);
    const latest = await b.latest("d", LATEST);
    assert.deepEqual(
      latest.publications.map(({ key }) => key),
      values.map((_, at) => `${at}`).slice(-100),
    );
  });

  test("a publication arrives as it was published, with its time", async (context) => {
    const { a, b, harness, sinks } = context;
    await b.subscribe("c", LATEST);
    const data = { format: "json", bytes: new TextEncoder().encode('{"x":1}') } as const;
    await a.publish({ channel: "c", key: "k", publisher: "s", data }, LATEST);
    await a.publish({ channel: "c", key: "k", removed: true, data: EMPTY }, LATEST);
    await harness.delivered();
    const [first, second] = sinks[1]!.publications;
    assert(first!.time > 1.6e12);
    assert.deepEqual({ ...first, time: 0 }, {
      channel: "c",
      offset: 1,
      time: 0,
      key: "k",
      publisher: "s",
      data,
    });
    assert.equal(second!.removed, true);
    assert.equal(second!.publisher, undefined);
  });

  test("only subscribed nodes hear of a channel", async (context) => {
    const { a, b, harness, sinks } = context;
    await a.subscribe("c", KEEP);
    await b.publish(text("c", "1"), KEEP);
    await b.publish(text("other", "x"), KEEP);
    await harness.delivered();
    a.unsubscribe("c");
    await b.publish(text("c", "2"), KEEP);
    await harness.delivered();
    assert.deepEqual(sinks[0]!.publications.length, 1);
    assert.deepEqual(sinks[1]!.publications, []);
  });

  test("subscribing twice delivers once, and unsubscribing needs no subscription", async (context) => {
    const { a, harness, sinks } = context;
    await a.subscribe("c", KEEP);
    await a.subscribe("c", KEEP);
    await a.publish(text("c", "1"), KEEP);
    await harness.delivered();
    assert.deepEqual(sinks[0]!.log("c"), ["1:1"]);
    a.unsubscribe("c");
    a.unsubscribe("c");
    a.unsubscribe("never");
  });

  test("a channel that is left and joined at once is joined", async (context) => {
    const { a, harness, sinks } = context;
    await a.subscribe("c", KEEP);
    a.unsubscribe("c");
    await a.subscribe("c", KEEP);
    await a.publish(text("c", "1"), KEEP);
    await harness.delivered();
    assert.deepEqual(sinks[0]!.log("c"), ["1:1"]);
  });

  test("history is complete after any position that is kept", async ({ a, b }) => {
    let position: Position | undefined;
    for (let at = 1; at <= 5; at++) position = await a.publish(text("c", `${at}`), KEEP);
    const { epoch } = position!;
    for (let offset = 0; offset <= 5; offset++) {
      const page = await b.history("c", KEEP, { since: { epoch, offset }, limit: 10 });
      assert.deepEqual(
        page.publications.map((publication) => publication.offset),
        [1, 2, 3, 4, 5].slice(offset),
      );
      assert.deepEqual([page.complete, page.position], [true, { epoch, offset: 5 }]);
    }
  });

  test("history is cut to a limit: the oldest after a position, else the newest", async ({ a }) => {
    let position: Position | undefined;
    for (let at = 1; at <= 5; at++) position = await a.publish(text("c", `${at}`), KEEP);
    const since = { epoch: position!.epoch, offset: 1 };
    const offsets = async (query: { since?: Position; limit: number }) =>
      (await a.history("c", KEEP, query)).publications.map(({ offset }) => offset);
    assert.deepEqual(await offsets({ since, limit: 2 }), [2, 3]);
    assert.deepEqual(await offsets({ limit: 2 }), [4, 5]);
    assert.deepEqual(await offsets({ limit: 0 }), []);
    assert.deepEqual(await offsets({ since, limit: 0 }), []);
  });

  test("what is over the history's size is gone and said to be", async ({ a }) => {
    const retention = { ...KEEP, historySize: 2 };
    let position: Position | undefined;
    for (let at = 1; at <= 5; at++) position = await a.publish(text("c", `${at}`), retention);
    const { epoch } = position!;
    const at = (offset: number) =>
      a.history("c", retention, { since: { epoch, offset }, limit: 10 });
    assert.deepEqual((await at(2)).publications.map(({ offset }) => offset), [4, 5]);
    assert.deepEqual([(await at(2)).complete, (await at(3)).complete], [false, true]);
    assert.equal((await at(6)).complete, false, "a position that was never there");
  });

  test("a channel without history still counts", async ({ a }) => {
    const retention = { ...KEEP, historySize: 0 };
    const first = await a.publish(text("c", "1"), retention);
    const second = await a.publish(text("c", "2"), retention);
    assert.deepEqual(second, { epoch: first.epoch, offset: 2 });
    const page = await a.history("c", retention, { since: first, limit: 10 });
    assert.deepEqual(page, { publications: [], position: second, complete: false });
    const newest = await a.history("c", retention, { since: second, limit: 10 });
    assert.equal(newest.complete, true);
  });

  test("a position in another epoch is no position", async ({ a, harness }) => {
    const before = await a.publish(text("c", "1"), KEEP);
    await harness.forget("c");
    const after = await a.publish(text("c", "2"), KEEP);
    assert.notEqual(after.epoch, before.epoch);
    assert.equal(after.offset, 1);
    const page = await a.history("c", KEEP, { since: before, limit: 10 });
    assert.deepEqual([page.complete, page.publications.length, page.position], [false, 1, after]);
  });

  test("a publication is kept for its time", async ({ a, harness }) => {
    const retention = { ...KEEP, historyTtlMs: 2000 };
    await a.subscribe("c", retention);
    const first = await a.publish(text("c", "1"), retention);
    await harness.advance(1200);
    await a.publish(text("c", "2"), retention);
    await harness.advance(1200);
    const since = { ...first, offset: 0 };
    const page = await a.history("c", retention, { since, limit: 10 });
    assert.deepEqual(page.publications.map(({ offset }) => offset), [2]);
    assert.equal(page.complete, false);
    await harness.advance(1200);
    const empty = await a.history("c", retention, { since: { ...first, offset: 2 }, limit: 10 });
    assert.deepEqual(empty, {
      publications: [],
      position: { ...first, offset: 2 },
      complete: true,
    });
  });

  test("latest gives the newest of each key, in offset order, removals too", async ({ a, b }) => {
    for (const [key, value] of [["a", "1"], ["b", "2"], ["c", "3"], ["a", "4"]] as const) {
      await a.publish({ ...text("c", value), key }, LATEST);
    }
    await a.publish({ channel: "c", key: "b", removed: true, data: EMPTY }, LATEST);
    const page = await b.latest("c", LATEST);
    assert.deepEqual(page.publications.map(({ key, offset, removed }) => [key, offset, removed]), [
      ["c", 3, undefined],
      ["a", 4, undefined],
      ["b", 5, true],
    ]);
    assert.equal(page.position.offset, 5);
  });

  test("of too many keys the one longest unchanged is forgotten", async ({ a }) => {
    const retention = { ...LATEST, maxKeys: 2 };
    for (const key of ["a", "b", "a", "c"]) {
      await a.publish({ ...text("c", key), key }, retention);
    }
    const page = await a.latest("c", retention);
    assert.deepEqual(page.publications.map(({ key }) => key), ["a", "c"]);
  });

  test("the value of a key is kept for its time since the last one", async ({ a, harness }) => {
    const retention = { ...LATEST, keyTtlMs: 2000 };
    await a.subscribe("c", retention);
    for (const key of ["a", "b"]) await a.publish({ ...text("c", key), key }, retention);
    await harness.advance(1200);
    await a.publish({ ...text("c", "a"), key: "a" }, retention);
    await harness.advance(1200);
    const page = await a.latest("c", retention);
    assert.deepEqual(page.publications.map(({ key }) => key), ["a"]);
  });

  test("a node that subscribes and then reads misses nothing", async (context) => {
    const { a, b, harness, sinks } = context;
    const writing = (async () => {
      for (let at = 1; at <= 60; at++) await a.publish(text("c", `${at}`), KEEP);
    })();
    await b.subscribe("c", KEEP);
    const { position, publications } = await b.history("c", KEEP, { limit: 100 });
    await writing;
    await harness.delivered();
    const live = sinks[1]!.publications.map(({ offset }) => offset)
      .filter((offset) => offset > position.offset);
    assert.deepEqual(
      [...publications.map(({ offset }) => offset), ...live],
      Array.from({ length: 60 }, (_, at) => at + 1),
    );
  });
}

/** What every `Presence` must do. */
export function testPresence(
  name: string,
  create: (nodes: number) => Promise<PresenceHarness>,
): void {
  const test = (
    title: string,
    run: (
      context: { a: Presence; b: Presence; harness: PresenceHarness; events: string[][] },
    ) => Promise<void>,
  ) =>
    Deno.test(`${name}: ${title}`, async () => {
      const harness = await create(2);
      const events: string[][] = [];
      for (const node of harness.nodes) {
        const log: string[] = [];
        events.push(log);
        const sink: PresenceSink = {
          joined: (channel, member) => log.push(`+${channel}/${member.session}`),
          left: (channel, member) => log.push(`-${channel}/${member.session}`),
        };
        await node.start(sink);
      }
      try {
        await run({ harness, events, a: harness.nodes[0]!, b: harness.nodes[1]! });
      } finally {
        await harness.close();
      }
    });

  const member = (session: string): Member => ({ session, info: text("", session).data });

  test("members are seen from every node, in order of joining", async (context) => {
    const { a, b, harness, events } = context;
    await a.join("c", member("s1"));
    await b.join("c", member("s2"));
    await harness.delivered();
    for (const node of [a, b]) {
      assert.deepEqual(await node.members("c", 10), [member("s1"), member("s2")]);
      assert.deepEqual(await node.members("c", 1), [member("s1")]);
      assert.deepEqual([await node.count("c"), await node.count("other")], [2, 0]);
    }
    for (const log of events) assert.deepEqual(log, ["+c/s1", "+c/s2"]);
    await a.leave("c", "s1");
    await harness.delivered();
    assert.deepEqual(await b.members("c", 10), [member("s2")]);
    assert.equal(events[1]!.at(-1), "-c/s1");
  });

  test("joining twice is one member, leaving what one is not in is nothing", async (context) => {
    const { a, harness, events } = context;
    await a.join("c", member("s1"));
    await a.join("c", member("s1"));
    await a.leave("c", "unknown");
    await a.leave("elsewhere", "s1");
    await harness.delivered();
    assert.deepEqual(await a.members("c", 10), [member("s1")]);
    assert.deepEqual(events[0], ["+c/s1"]);
  });

  test("a node that goes takes its members with it, and no others", async (context) => {
    const { a, b, harness, events } = context;
    await a.join("c", member("s1"));
    await b.join("c", member("s2"));
    await a.close();
    await harness.delivered();
    assert.deepEqual(await b.members("c", 10), [member("s2")]);
    assert.equal(events[1]!.at(-1), "-c/s1");
  });
}

interface Context {
  readonly harness: BrokerHarness;
  readonly sinks: readonly RecordingSink[];
  readonly a: Broker;
  readonly b: Broker;
}

class RecordingSink implements BrokerSink {
  readonly publications: Publication[] = [];
  readonly interruptions: [string, Position][] = [];

  publication(publication: Publication): void {
    this.publications.push(publication);
  }

  interrupted(channel: string, position: Position): void {
    this.interruptions.push([channel, position]);
  }

  log(channel: string): string[] {
    return this.publications.filter((publication) => publication.channel === channel)
      .map(({ offset, data }) => `${offset}:${new TextDecoder().decode(data.bytes)}`);
  }
}

const KEEP: Retention = {
  historySize: 100,
  historyTtlMs: 60_000,
  latest: false,
  maxKeys: 100,
  keyTtlMs: 60_000,
};
const LATEST: Retention = { ...KEEP, latest: true };
const EMPTY = { format: "binary", bytes: new Uint8Array(0) } as const;

function text(channel: string, value: string): NewPublication {
  return { channel, data: { format: "binary", bytes: new TextEncoder().encode(value) } };
}
