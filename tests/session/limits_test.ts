import assert from "node:assert/strict";
import type { Access } from "../../src/session/rights/access.ts";
import { MemoryLimits, MemoryLimitStore } from "../broker/memory_limit_store.ts";
import { FakeClock } from "../fake_clock.ts";
import { createStore, type NodeOptions, TestNode, text } from "./node.ts";
import { TestClient } from "./test_client.ts";

/** Whoever shows a token is the user of that name. */
const access: Access = {
  identify: (token) => ({
    subject: token,
    user: token,
    claims: {},
    expiresMs: Infinity,
  }),
  openChannel: () => Promise.reject(new Error("No channel has a token here")),
};

/** Nodes that count together, each by a store that can be cut off. */
class Fleet {
  readonly clock = new FakeClock();
  readonly counted = new MemoryLimits(this.clock);
  readonly nodes: TestNode[] = [];
  readonly stores: MemoryLimitStore[] = [];
  readonly #store = createStore(this.clock);

  static async start(count: number, options: NodeOptions): Promise<Fleet> {
    const fleet = new Fleet();
    for (let at = 0; at < count; at++) {
      const limitStore = new MemoryLimitStore(fleet.counted, `node${at}`);
      fleet.stores.push(limitStore);
      fleet.nodes.push(
        await new TestNode({
          access,
          clock: fleet.clock,
          store: fleet.#store,
          limitStore,
          ...options,
        }).start(),
      );
    }
    return fleet;
  }

  async turn(): Promise<void> {
    for (let round = 0; round < 2; round++) for (const node of this.nodes) await node.turn();
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advanceAsync(ms);
    await this.turn();
  }

  async enter(at: number, user?: string, address = "192.0.2.1"): Promise<TestClient> {
    const client = new TestClient();
    client.token = user;
    client.connect(this.nodes[at]!, { address });
    await this.turn();
    return client;
  }

  async close(): Promise<void> {
    for (const node of this.nodes) await node.close();
  }
}

function test(
  name: string,
  count: number,
  limits: NodeOptions["limits"],
  body: (fleet: Fleet) => Promise<void>,
  options: NodeOptions = {},
): void {
  Deno.test(name, async () => {
    const fleet = await Fleet.start(count, { limits: limits!, ...options });
    try {
      await body(fleet);
    } finally {
      await fleet.close();
    }
  });
}

function outcome(client: TestClient): string {
  const [close] = client.closes;
  return close === undefined ? client.connected!.type : `${close.code} ${close.reason}`;
}

const FULL =
  /^3006 All sessions of a user are at most 2 \(limits\.user\.maxSessions\); retry after \d+ ms$/;

let ids = 100;

/** How many of so many publishes, all in one turn, are taken; and what the others are told. */
async function publish(fleet: Fleet, clients: TestClient[], times: number, size = 1) {
  for (const client of clients) client.take();
  for (let at = 0; at < times; at++) {
    for (const client of clients) {
      client.send({ type: "publish", id: ++ids, channel: "chat:a", data: text("x".repeat(size)) });
    }
  }
  await fleet.turn();
  const answers = clients.flatMap((client) => client.take());
  const refused = answers.flatMap((answer) => answer.type === "error" ? [answer.message] : []);
  return { taken: answers.filter(({ type }) => type === "published").length, refused };
}

for (const count of [1, 2]) {
  const last = count - 1;
  test(
    `a user has so many sessions on ${count} nodes, and a place when one ends`,
    count,
    { user: { maxSessions: 2 } },
    async (fleet) => {
      const one = await fleet.enter(0, "ann");
      await fleet.enter(last, "ann");
      for (const at of [0, last]) assert.match(outcome(await fleet.enter(at, "ann")), FULL);
      assert.equal(fleet.nodes[0]!.sessions.limitCounts["limits.user.maxSessions"], 3 - count);
      assert.equal(outcome(await fleet.enter(0, "bob")), "connected");
      assert.equal(outcome(await fleet.enter(0)), "connected", "nobody has no limits of a user");
      one.send({ type: "leave" });
      await fleet.turn();
      assert.equal(outcome(await fleet.enter(last, "ann")), "connected");
      assert.match(outcome(await fleet.enter(0, "ann")), FULL);
    },
  );
}

test("a client that comes back to its session needs no second place", 1, {
  user: { maxSessions: 2 },
}, async (fleet) => {
  const client = await fleet.enter(0, "ann");
  await fleet.enter(0, "ann");
  client.transport.cut();
  client.connect(fleet.nodes[0]!);
  await fleet.turn();
  assert.equal(client.connected?.resumed, true);
});

test("many that come at once get as many places as there are, on all nodes together", 2, {
  user: { maxSessions: 5 },
}, async (fleet) => {
  const clients = Array.from({ length: 12 }, (_, at) => {
    const client = new TestClient();
    client.token = "ann";
    client.connect(fleet.nodes[at % 2]!);
    return client;
  });
  await fleet.turn();
  assert.equal(clients.filter(({ closes }) => closes.length === 0).length, 5);
});

test("what a dead node had is free once it has not been said again for its time", 2, {
  user: { maxSessions: 2 },
}, async (fleet) => {
  await fleet.enter(0, "ann");
  await fleet.enter(1, "ann");
  // Those that live go on being counted.
  await fleet.advance(70_000);
  assert.match(outcome(await fleet.enter(1, "ann")), FULL);
  fleet.nodes[0]!.limits.close();
  await fleet.advance(61_000);
  assert.equal(outcome(await fleet.enter(1, "ann")), "connected");
  assert.match(outcome(await fleet.enter(1, "ann")), FULL);
});

test("a store out of reach leaves each node its own count, and has it again when it is back", 2, {
  user: { maxSessions: 2 },
}, async (fleet) => {
  const first = await fleet.enter(0, "ann");
  await fleet.enter(1, "ann");
  for (const store of fleet.stores) store.failing = true;
  for (const at of [0, 1]) {
    assert.equal(outcome(await fleet.enter(at, "ann")), "connected");
    assert.match(outcome(await fleet.enter(at, "ann")), FULL);
    assert.equal(fleet.nodes[at]!.errors.length, 1, "it is told of once");
  }
  for (const store of fleet.stores) store.failing = false;
  await fleet.advance(21_000);
  first.send({ type: "leave" });
  await fleet.turn();
  // There are three left, which is one over.
  assert.match(outcome(await fleet.enter(0, "ann")), FULL);
});

test("a user has so many subscriptions, and those of a session that ends are free", 2, {
  user: { maxSubscriptions: 3 },
}, async (fleet) => {
  const one = await fleet.enter(0, "ann");
  const other = await fleet.enter(1, "ann");
  for (const channel of ["chat:a", "chat:b"]) one.subscribe(channel);
  await fleet.turn();
  other.subscribe("chat:c");
  other.subscribe("chat:d");
  await fleet.turn();
  const errors = other.take().filter(({ type }) => type === "error");
  assert.deepEqual(errors.map((m) => m.type === "error" && [m.code, m.message]), [[
    429,
    "All sessions of a user have at most 3 subscriptions (limits.user.maxSubscriptions): " +
    '"chat:d"',
  ]]);
  one.unsubscribe("chat:a");
  await fleet.turn();
  other.subscribe("chat:d");
  await fleet.turn();
  assert.ok(!other.take().some(({ type }) => type === "error"));
  other.send({ type: "leave" });
  await fleet.turn();
  for (const channel of ["chat:e", "chat:f", "chat:g"]) one.subscribe(channel);
  await fleet.turn();
  assert.equal(one.take().filter(({ type }) => type === "error").length, 1);
});

test("an address has limits of its own, whoever its users are", 1, {
  address: { maxSessions: 2, maxPublishesPerSecond: 10 },
}, async (fleet) => {
  const ann = await fleet.enter(0, "ann", "2001:db8::1");
  const nobody = await fleet.enter(0, undefined, "2001:db8::2");
  assert.match(outcome(await fleet.enter(0, "bob", "2001:db8::3")), /limits\.address\.maxSessions/);
  const far = await fleet.enter(0, "bob", "2001:db8:0:1::3");
  const { taken, refused } = await publish(fleet, [ann, nobody], 8);
  assert.equal(taken, 10);
  assert.match(refused[0]!, /^Publishes of an address may come 10 a second \(limits\.address/);
  assert.equal((await publish(fleet, [far], 8)).taken, 8);
});

test("a user's sessions publish and send no faster than the user may", 1, {
  user: { maxPublishesPerSecond: 20, maxBytesPerSecond: 10_000 },
}, async (fleet) => {
  const clients = [await fleet.enter(0, "ann"), await fleet.enter(0, "ann")];
  assert.equal((await publish(fleet, clients, 15)).taken, 20);
  await fleet.advance(1000);
  const { taken, refused } = await publish(fleet, clients, 3, 2000);
  assert.equal(taken, 4);
  assert.match(refused[0]!, /^Bytes of a user may come 10000 a second \(limits\.user\.maxBytesPer/);
  // Nobody gets a new rate by leaving.
  for (const client of clients) client.send({ type: "leave" });
  await fleet.turn();
  assert.ok((await publish(fleet, [await fleet.enter(0, "ann")], 3, 4000)).taken === 0);
  await fleet.advance(1000);
  assert.ok((await publish(fleet, [await fleet.enter(0, "ann")], 1, 4000)).taken === 1);
});

test("all sessions of a user publish to so many channels in a minute, on each node", 1, {
  user: { maxChannels: 4 },
}, async (fleet) => {
  const clients = [await fleet.enter(0, "ann"), await fleet.enter(0, "ann")];
  const channel = async (client: TestClient, name: string): Promise<string> => {
    client.take();
    client.send({ type: "publish", id: ++ids, channel: name, data: text("x") });
    await fleet.turn();
    const answer = client.take().find(({ type }) => type !== "ping")!;
    return answer.type === "error" ? answer.message : answer.type;
  };
  for (const name of ["chat:a", "chat:b", "chat:a"]) {
    for (const client of clients) assert.equal(await channel(client, name), "published");
  }
  const refusal = "All sessions of a user publish to at most 4 channels in a minute " +
    '(limits.user.maxChannels): "chat:c"';
  assert.equal(await channel(clients[0]!, "chat:c"), refusal);
  assert.equal(await channel(clients[0]!, "chat:b"), "published");
  clients[0]!.send({ type: "leave" });
  await fleet.advance(5000);
  const again = await fleet.enter(0, "ann");
  assert.equal(await channel(again, "chat:c"), refusal, "nobody gets a new rate by leaving");
  await fleet.advance(10_000);
  assert.equal(await channel(again, "chat:c"), "published");
});

test("a user's rate over two nodes is one node's, in the long run", 2, {
  user: { maxPublishesPerSecond: 100 },
}, async (fleet) => {
  const clients = [await fleet.enter(0, "ann"), await fleet.enter(1, "ann")];
  let taken = 0;
  const bob = await fleet.enter(1, "bob");
  for (let step = 0; step < 200; step++) {
    taken += (await publish(fleet, clients, 8)).taken;
    assert.equal((await publish(fleet, [bob], 2)).taken, 2);
    await fleet.advance(50);
  }
  // Ten seconds, at 320 a second that are tried.
  assert.ok(taken >= 900 && taken <= 1300, `${taken}`);
  const asked = fleet.stores.reduce((sum, { asked }) => sum + asked, 0);
  assert.ok(asked < 500, `the store is asked for many at once: ${asked}`);
});

test("a store out of reach leaves each node the whole rate", 2, {
  user: { maxPublishesPerSecond: 20, maxSessions: Infinity },
}, async (fleet) => {
  const clients = [await fleet.enter(0, "ann"), await fleet.enter(1, "ann")];
  for (const store of fleet.stores) store.failing = true;
  let taken = 0;
  for (let second = 0; second < 5; second++) {
    taken += (await publish(fleet, clients, 30)).taken;
    await fleet.advance(1000);
  }
  assert.equal(taken, 200);
  assert.ok(fleet.stores[0]!.asked <= 4 * 6, "each of four rates asks once a second");
  for (const store of fleet.stores) store.failing = false;
  taken = 0;
  for (let second = 0; second < 10; second++) {
    taken += (await publish(fleet, clients, 30)).taken;
    await fleet.advance(1000);
  }
  assert.ok(taken <= 300, `${taken}`);
});

test("subjects are forgotten when their last session has gone", 2, {
  user: { maxSessions: 2, maxSubscriptions: 5 },
}, async (fleet) => {
  for (let at = 0; at < 20; at++) {
    const client = await fleet.enter(0, `user${at}`, `192.0.2.${at}`);
    client.subscribe("chat:a");
    await fleet.turn();
    client.send({ type: "leave" });
    await fleet.turn();
  }
  await fleet.advance(3000);
  await fleet.enter(0, "ann", "192.0.2.100");
  assert.equal(fleet.nodes[0]!.limits.size, 2);
  assert.deepEqual(
    [...fleet.counted.counts.values()].filter(({ size }) => size > 0).length,
    1,
    "the store has no more than the one that is there",
  );
});

test("a client whose transport ends while others are asked takes no place", 2, {
  user: { maxSessions: 1 },
}, async (fleet) => {
  const gone = new TestClient();
  gone.token = "ann";
  gone.connect(fleet.nodes[0]!);
  gone.transport.cut();
  await fleet.turn();
  assert.equal(fleet.nodes[0]!.sessions.count, 0);
  assert.equal(outcome(await fleet.enter(1, "ann")), "connected");
});
