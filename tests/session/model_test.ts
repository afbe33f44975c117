import fc from "fast-check";
import assert from "node:assert/strict";
import { seededRandom } from "../../src/policy/random.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { UnsteadyBroker } from "../hub/unsteady_broker.ts";
import { type NodeOptions, TestNode, text } from "./node.ts";
import { TestClient } from "./test_client.ts";

/**
 * Random lives of three clients. `TestClient` itself fails on whatever comes twice, out of order
 * or without a gap; at the end all stalls are released, all clients are back, and each must have
 * everything.
 */
type Step =
  | { readonly do: "publish" | "burst" | "remove"; readonly channel: number; readonly key: number }
  | { readonly do: "subscribe" | "unsubscribe"; readonly client: number; readonly channel: number }
  | { readonly do: "cut" | "stall" | "release" | "late"; readonly client: number }
  | { readonly do: "connect"; readonly client: number; readonly kind: number }
  | { readonly do: "turn" | "flush" }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "forget"; readonly channel: number }
  | { readonly do: "deliver" | "lose" | "answer" | "outage" };

const CLIENTS = 3;
const CHANNELS = ["chat:a", "ticks:a", "cursors:a", "cursors:b"];

const client = fc.nat(CLIENTS - 1);
const channel = fc.nat(CHANNELS.length - 1);
const key = fc.nat(3);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("publish" as const), channel, key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("burst" as const), channel, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), channel, key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("subscribe" as const), client, channel }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unsubscribe" as const), client, channel }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut" as const), client }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("connect" as const), client, kind: fc.nat(2) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("stall" as const), client }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("late" as const), client }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("turn" as const, "flush" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(10, 250, 3000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("forget" as const), channel }) },
);

const OPTIONS: NodeOptions = {
  namespaces: {
    chat: { historySize: 30, presence: true },
    ticks: { overflow: "gap", historySize: 5 },
    cursors: { delivery: "latest" },
  },
  session: { maxQueueBytes: 3000, highWaterBytes: 500 },
};

/** A client that does what the SDK does: it wants channels, and asks again for what it lost. */
class Player extends TestClient {
  override acknowledges = true;
  readonly wanted = new Set<string>();
  readonly #asked = new Map<string, number>();

  join(node: TestNode, kind: number, seed: number): void {
    const wasAttached = this.connected?.session;
    this.connect(node, {
      highWaterBytes: 500,
      encoding: kind === 1 ? "json" : "binary",
      ...(kind === 2 && { lanes: 1, maxDatagramSize: 300 }),
      loss: 0.3,
      random: seededRandom(seed),
    });
    this.#asked.clear();
    this.#subscribed.clear();
    this.#resumable = wasAttached;
  }

  #resumable: string | undefined;

  /** Asks for the channels that are wanted and neither there nor asked for. */
  ask(): void {
    if (this.transport === undefined || this.transport.ended !== undefined) return;
    if (this.connected === undefined || this.#lastConnected !== this.transport) return;
    for (const channel of this.wanted) {
      if (this.#asked.has(channel)) continue;
      this.#asked.set(channel, this.subscribe(channel));
    }
  }

  /** Ends a subscription that is there; what still comes of it is taken until it has ended. */
  leaveChannel(channel: string): void {
    this.wanted.delete(channel);
    const attached = this.#lastConnected === this.transport && !this.transport?.ended;
    if (attached && this.#subscribed.has(channel)) this.unsubscribe(channel);
  }

  readonly #subscribed = new Set<string>();
  #lastConnected: unknown;

  override message(...[message, lane]: Parameters<TestClient["message"]>): void {
    // As on a real network: what a transport that was replaced still brings is not looked at.
    if (message.type === "connected") {
      this.#lastConnected = this.transport;
      if (!message.resumed) this.#asked.clear();
      assert(!message.resumed || message.session === this.#resumable);
    }
    if (message.type === "error") {
      // Refused for now (503) or there already (409): what is wanted is asked for again.
      for (const [channel, id] of this.#asked) {
        if (id === message.id && message.code !== 409) this.#asked.delete(channel);
      }
    } else if (message.type === "subscribed") {
      this.#asked.set(message.channel, message.id);
      this.#subscribed.add(message.channel);
    } else if (message.type === "unsubscribed") {
      this.#asked.delete(message.channel);
      this.#subscribed.delete(message.channel);
      this.positions.delete(message.channel);
      this.values.delete(message.channel);
    }
    super.message(message, lane);
  }
}

/** What a broker over a network does besides. */
const unsteadyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: step },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("deliver" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("answer" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("lose" as const, "outage" as const) }) },
);

async function live(steps: readonly Step[], seed: number, unsteady: boolean): Promise<void> {
  let broker: UnsteadyBroker | undefined;
  const node = await new TestNode({
    ...OPTIONS,
    ...(unsteady && { broker: (inner: Broker) => broker = new UnsteadyBroker(inner) }),
  }).start();
  const random = seededRandom(seed);
  const players = Array.from({ length: CLIENTS }, () => new Player());
  const newest = new Map<string, Map<string, string | undefined>>();
  let count = 0;
  const publish = async (at: number, keyNumber: number, removed: boolean) => {
    const name = CHANNELS[at]!;
    const value = `${++count}${"x".repeat(Math.floor(random() * 100))}`;
    if (!name.startsWith("cursors")) return await node.publish(name, value);
    const key = `k${keyNumber}`;
    if (!newest.has(name)) newest.set(name, new Map());
    newest.get(name)!.set(key, removed ? undefined : value);
    await node.hub.publish({
      channel: name,
      key,
      data: text(removed ? "" : value),
      ...(removed && { removed }),
    });
  };
  for (const step of steps) {
    switch (step.do) {
      case "publish":
      case "remove":
        await publish(step.channel, step.key, step.do === "remove");
        break;
      case "burst":
        for (let at = 0; at < 40; at++) await publish(step.channel, at % 4, false);
        break;
      case "subscribe":
        players[step.client]!.wanted.add(CHANNELS[step.channel]!);
        break;
      case "unsubscribe":
        players[step.client]!.leaveChannel(CHANNELS[step.channel]!);
        break;
      case "cut":
        players[step.client]!.transport?.cut();
        break;
      case "connect":
        players[step.client]!.join(node, step.kind, count + step.kind);
        break;
      case "stall":
      case "release": {
        const { transport } = players[step.client]!;
        if (transport?.ended === undefined && transport) transport.stalled = step.do === "stall";
        break;
      }
      case "late":
        players[step.client]!.transport?.arriveLate();
        break;
      case "turn":
        await node.turn();
        break;
      case "flush":
        node.flush();
        break;
      case "wait":
        await node.advance(step.ms);
        break;
      case "forget":
        // A broker in memory forgets only what nobody is subscribed to.
        if (broker === undefined && node.hub.channels > 0) break;
        newest.delete(CHANNELS[step.channel]!);
        for (const player of players) player.transport?.loseLate();
        if (broker === undefined) node.store.forget(CHANNELS[step.channel]!);
        else await broker.restart(CHANNELS[step.channel]!, (name) => node.store.forget(name));
        break;
      case "deliver":
      case "lose":
      case "answer":
        broker![step.do]();
        break;
      case "outage":
        broker!.down = !broker!.down;
    }
    for (const player of players) player.ask();
  }
  if (broker !== undefined) broker.down = false;
  for (let round = 0; round < 25; round++) {
    for (const player of players) {
      if (player.transport === undefined || player.transport.ended !== undefined) {
        player.join(node, 0, 1);
      }
      player.transport.stalled = false;
      await node.turn();
      player.ask();
      await node.turn();
    }
    if (broker === undefined) continue;
    if (round % 8 === 0) await broker.interrupt();
    broker.deliver();
    broker.answer();
    await node.advance(5000);
  }
  await node.advance(1000);
  for (const player of players) check(player, node, newest);
  if (!unsteady) assert.deepEqual(node.errors, []);
  await node.close();
  assert.equal(node.clock.pendingTimers, 0);
}

function check(
  player: Player,
  node: TestNode,
  newest: Map<string, Map<string, string | undefined>>,
) {
  assert.equal(player.transport.ended, undefined);
  for (const name of player.wanted) {
    if (name.startsWith("cursors")) {
      const held = new Map(
        [...player.values.get(name) ?? []].map(([key, { value }]) => [key, value]),
      );
      for (const [key, value] of newest.get(name) ?? []) assert.equal(held.get(key), value);
    } else {
      const retention = node.hub.namespaces.of(name).retention;
      const { position } = node.store.open(name, retention);
      assert.deepEqual(player.positions.get(name), position, `${name} has not caught up`);
    }
  }
}

for (const [name, unsteady] of [["a steady", false], ["an unsteady", true]] as const) {
  Deno.test(`with ${name} broker, ordered loses nothing silently and latest settles`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(unsteady ? unsteadyStep : step, { minLength: 10, maxLength: 80 }),
        fc.integer({ min: 1, max: 1000 }),
        (steps, seed) => live(steps, seed, unsteady),
      ),
      { numRuns: Number(Deno.env.get("MODEL_RUNS") ?? 100), seed: 2024 },
    );
  });
}
