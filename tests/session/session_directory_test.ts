import assert from "node:assert/strict";
import type { SessionStore } from "../../src/broker/session_store.ts";
import type { Handover } from "../../src/session/nodes.ts";
import { hashSecret } from "../../src/session/secret.ts";
import { type ListedSession, SessionDirectory } from "../../src/session/session_directory.ts";
import { FakeClock, settle } from "../fake_clock.ts";

/** A store in this process, which can be out of reach and lose its data. */
class TestStore implements SessionStore {
  fails = false;
  readonly texts = new Map<string, { text: string; untilMs: number }>();
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  put(name: string, text: string, ttlMs: number): Promise<void> {
    if (this.fails) return Promise.reject(new Error("out of reach"));
    this.texts.set(name, { text, untilMs: this.#clock.now() + ttlMs });
    return Promise.resolve();
  }

  get(name: string): Promise<string | undefined> {
    const kept = this.texts.get(name);
    return Promise.resolve(kept && kept.untilMs > this.#clock.now() ? kept.text : undefined);
  }

  take(name: string): Promise<string | undefined> {
    const text = this.get(name);
    // In the same turn: it is taken once.
    this.texts.delete(name);
    return text;
  }

  async touch(name: string, ttlMs: number): Promise<boolean> {
    const text = await this.get(name);
    if (text !== undefined) await this.put(name, text, ttlMs);
    return text !== undefined;
  }

  remove(name: string): Promise<void> {
    this.texts.delete(name);
    return Promise.resolve();
  }
}

/** Two nodes with a directory each; what "a" has, it gives up if it is asked and can be. */
function setUp() {
  const clock = new FakeClock();
  const store = new TestStore(clock);
  const sessions = new Map<string, ListedSession & { tickets: string[] }>();
  const moved: string[] = [];
  const asked: string[] = [];
  const errors: unknown[] = [];
  let reachable = true;
  const open = (name: string, own: Map<string, ListedSession>) =>
    new SessionDirectory({
      store,
      nodes: {
        name,
        release(node, session, ticketHash): Promise<Handover | "refused" | undefined> {
          asked.push(node);
          if (!reachable) return Promise.resolve(undefined);
          const found = node === "aaaaaaaa" ? sessions.get(session) : undefined;
          if (!found?.ticketHashes.includes(ticketHash)) return Promise.resolve("refused");
          sessions.delete(session);
          a.gone(found, true);
          return Promise.resolve({ record: found.record("aaaaaaaa"), positions: [], answers: [] });
        },
      },
      clock,
      resumeWindowMs: 60_000,
      sessions: () => own.values(),
      onMoved: (id) => moved.push(id),
      onError: (error) => errors.push(error),
    });
  const a = open("aaaaaaaa", sessions);
  const b = open("bbbbbbbb", new Map());
  const add = (id: string, ...tickets: string[]) => {
    const session = {
      id,
      tickets,
      get ticketHashes() {
        return this.tickets.map(hashSecret);
      },
      record(node: string) {
        const { ticketHashes } = this;
        return { node, user: "ann", info: undefined, subscriptions: [], ticketHashes };
      },
    };
    sessions.set(id, session);
    a.changed(session);
    return session;
  };
  return {
    clock,
    store,
    a,
    b,
    moved,
    asked,
    errors,
    failing: (fails: boolean) => store.fails = fails,
    add,
    take: (directory: SessionDirectory, session: string, ticket: string) =>
      directory.take({ session, ticket, positions: [] }),
    cut: () => reachable = false,
    close: () => [a, b].forEach((each) => each.close()),
  };
}

const ID = "aaaaaaaa000000000000000000000001";

Deno.test("whoever has the ticket takes a session, once, and its node has it no more", async () => {
  const { clock, store, b, add, take, close } = setUp();
  add(ID, "secret");
  await clock.advanceAsync(10);
  assert.ok(![...store.texts].join().includes("secret"), "nobody reads tickets in the store");
  assert.equal(await take(b, ID, "guess"), undefined);
  const taken = await take(b, ID, "secret");
  assert.equal(taken!.record.user, "ann");
  assert.notEqual(taken!.handover, undefined);
  assert.equal(await take(b, ID, "secret"), undefined, "a second time");
  close();
});

Deno.test("a client that is quicker than its node wrote is found by the name of the node", async () => {
  const { store, b, add, take, close } = setUp();
  add(ID, "secret");
  assert.ok(![...store.texts.keys()].some((name) => name.startsWith(ID)));
  assert.notEqual(await take(b, ID, "secret"), undefined);
  close();
});

Deno.test("of two nodes that ask at once one gets a dead node's session", async () => {
  const { clock, b, a, add, take, cut, close } = setUp();
  add(ID, "secret");
  await clock.advanceAsync(10);
  cut();
  const got = await Promise.all([take(b, ID, "secret"), take(b, ID, "secret")]);
  assert.equal(got.filter((each) => each !== undefined).length, 1);
  assert.equal(got.find((each) => each !== undefined)!.handover, undefined);
  assert.equal(a.node, "aaaaaaaa");
  close();
});

Deno.test("the ticket of before is good until the client has shown the new one", async () => {
  const { clock, a, b, add, take, close } = setUp();
  const session = add(ID, "old", "new");
  await clock.advanceAsync(10);
  session.tickets = ["new"];
  a.changed(session);
  await clock.advanceAsync(10);
  assert.equal(await take(b, ID, "old"), undefined);
  assert.notEqual(await take(b, ID, "new"), undefined);
  close();
});

Deno.test("what is here is renewed for as long as it is here, and forgotten when it ends", async () => {
  const { clock, store, a, add, close } = setUp();
  const session = add(ID, "secret");
  await clock.advanceAsync(600_000);
  const kept = () => [...store.texts].filter(([name]) => name.startsWith(ID));
  assert.equal(kept().length, 1);
  assert.ok(kept()[0]![1].untilMs > clock.now());
  a.gone(session, false);
  await settle();
  assert.deepEqual(kept(), []);
  close();
});

Deno.test("a node that has not said that it is there is not asked", async () => {
  const { clock, b, asked, take, close } = setUp();
  await clock.advanceAsync(10);
  assert.equal(await take(b, "cccccccc000000000000000000000001", "made up"), undefined);
  assert.deepEqual(asked, []);
  close();
});

Deno.test("a session that was taken in vain is there for the next try", async () => {
  const { clock, b, add, take, close } = setUp();
  add(ID, "secret");
  await clock.advanceAsync(10);
  const taken = await take(b, ID, "secret");
  await b.putBack({ session: ID, ticket: "secret", positions: [] }, taken!.record);
  assert.equal((await take(b, ID, "secret"))!.record.user, "ann");
  close();
});

Deno.test("a node whose store has failed looks who has a session before it writes it", async () => {
  const { clock, store, a, b, moved, add, take, cut, close, failing } = setUp();
  const session = add(ID, "secret");
  await clock.advanceAsync(10);
  cut();
  assert.notEqual(await take(b, ID, "secret"), undefined);
  failing(true);
  a.changed(session);
  await clock.advanceAsync(10);
  failing(false);
  a.changed(session);
  await clock.advanceAsync(10);
  assert.deepEqual(moved, [ID]);
  assert.ok(
    ![...store.texts.keys()].some((name) => name.startsWith(`${ID} `) && !name.endsWith("owner")),
  );
  close();
});

Deno.test("what comes to a node whose store has failed is kept once the store is back", async () => {
  const { clock, b, add, take, cut, close, failing } = setUp();
  failing(true);
  add(ID, "secret");
  await clock.advanceAsync(10);
  failing(false);
  const other = "aaaaaaaa000000000000000000000002";
  add(other, "other");
  await clock.advanceAsync(10);
  cut();
  assert.notEqual(await take(b, other, "other"), undefined);
  close();
});

Deno.test("a node that was cut off lets go of what has moved, and writes again what was lost", async () => {
  const { clock, store, b, moved, add, take, cut, close } = setUp();
  add(ID, "secret");
  const other = "aaaaaaaa000000000000000000000002";
  add(other, "other");
  await clock.advanceAsync(10);
  cut();
  assert.notEqual(await take(b, ID, "secret"), undefined);
  const name = [...store.texts.keys()].find((name) => name.startsWith(other))!;
  store.texts.delete(name);
  await clock.advanceAsync(120_000);
  assert.ok(moved.length > 0 && moved.every((id) => id === ID), moved.join());
  assert.ok(store.texts.has(name), "Redis had lost it");
  close();
});
