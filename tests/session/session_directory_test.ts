import assert from "node:assert/strict";
import type { Handover } from "../../src/session/travel/nodes.ts";
import { hashSecret } from "../../src/session/secret.ts";
import {
  type ListedSession,
  SessionDirectory,
} from "../../src/session/travel/session_directory.ts";
import { TestSessionStore } from "../broker/test_session_store.ts";
import { FakeClock, settle } from "../fake_clock.ts";

/** Two nodes with a directory each; what "a" has, it gives up if it is asked and can be. */
function setUp() {
  const clock = new FakeClock();
  const store = new TestSessionStore(clock);
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
          if (!found?.record.ticketHashes.includes(ticketHash)) return Promise.resolve("refused");
          sessions.delete(session);
          a.gone(found, true);
          return Promise.resolve({ record: found.record, positions: [], answers: [] });
        },
      },
      clock,
      resumeWindowMs: 60_000,
      sessions: own,
      onMoved(id) {
        moved.push(id);
        own.delete(id);
      },
      onError: (error) => errors.push(error),
    });
  const a = open("aaaaaaaa", sessions);
  const b = open("bbbbbbbb", new Map());
  const add = (id: string, ...tickets: string[]) => {
    const session = {
      id,
      tickets,
      get record() {
        const ticketHashes = this.tickets.map(hashSecret);
        return { user: "ann", info: undefined, subscriptions: [], ticketHashes };
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
  assert.ok(
    !JSON.stringify([...store.sessions]).includes("secret"),
    "nobody reads tickets in the store",
  );
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
  assert.equal(store.sessions.size, 0);
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
  assert.ok(store.sessions.get(ID)!.untilMs > clock.now());
  a.gone(session, false);
  await settle();
  assert.equal(store.sessions.size, 0);
  close();
});

Deno.test("a node that has not said that it is there is not asked", async () => {
  const { clock, b, asked, take, close } = setUp();
  await clock.advanceAsync(10);
  assert.equal(await take(b, "cccccccc000000000000000000000001", "made up"), undefined);
  assert.deepEqual(asked, []);
  close();
});

Deno.test("of the old and the new ticket of a dead node's session one gets it", async () => {
  const { clock, b, add, take, cut, close } = setUp();
  add(ID, "old", "new");
  await clock.advanceAsync(10);
  cut();
  const got = await Promise.all([take(b, ID, "old"), take(b, ID, "new")]);
  assert.equal(got.filter((each) => each !== undefined).length, 1);
  close();
});

Deno.test("a session that was taken in vain is there for the next try", async () => {
  const { clock, b, add, take, close } = setUp();
  add(ID, "secret");
  await clock.advanceAsync(10);
  const taken = await take(b, ID, "secret");
  b.park(ID, taken!.record);
  await settle();
  assert.equal((await take(b, ID, "secret"))!.record.user, "ann");
  close();
});

Deno.test("a node whose store has failed does not write what has moved meanwhile", async () => {
  const { clock, store, a, b, moved, add, take, cut, close, failing } = setUp();
  const session = add(ID, "secret");
  await clock.advanceAsync(10);
  cut();
  assert.notEqual(await take(b, ID, "secret"), undefined);
  failing(true);
  a.changed(session);
  await clock.advanceAsync(10);
  failing(false);
  await clock.advanceAsync(1000);
  assert.deepEqual(moved, [ID]);
  assert.equal(store.sessions.get(ID)!.node, "bbbbbbbb");
  close();
});

Deno.test("what comes to a node whose store has failed is kept once the store is back", async () => {
  const { clock, b, errors, add, take, cut, close, failing } = setUp();
  failing(true);
  add(ID, "secret");
  await clock.advanceAsync(10);
  failing(false);
  const other = "aaaaaaaa000000000000000000000002";
  add(other, "other");
  await clock.advanceAsync(1000);
  cut();
  assert.notEqual(await take(b, other, "other"), undefined);
  assert.notEqual(await take(b, ID, "secret"), undefined);
  assert.equal(errors.length, 1, "it is told of once");
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
  store.sessions.delete(other);
  await clock.advanceAsync(120_000);
  assert.deepEqual(moved, [ID]);
  assert.equal(store.sessions.get(other)!.node, "aaaaaaaa", "the store had lost it");
  close();
});
