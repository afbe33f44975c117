/**
 * What one delivery costs between the broker and a transport that does nothing: 1000 subscribers,
 * one and ten publications a turn. Run it with `deno run -A tests/bench/deliver_micro.ts`.
 */
import { MemoryBroker } from "../../src/broker/memory_broker.ts";
import { MemoryPresence } from "../../src/broker/memory_presence.ts";
import { MemoryStore } from "../../src/broker/memory_store.ts";
import { Cork } from "../../src/hub/cork.ts";
import { Hub } from "../../src/hub/hub.ts";
import { Namespaces } from "../../src/hub/namespaces.ts";
import { NAMESPACE_DEFAULTS, SESSION_DEFAULTS } from "../../src/options.ts";
import { Admission } from "../../src/policy/admission.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { Heartbeat } from "../../src/policy/heartbeat.ts";
import { systemRandom } from "../../src/policy/random.ts";
import { TimerWheel } from "../../src/policy/timer_wheel.ts";
import type { EncodedMessage } from "../../src/protocol/encoded_message.ts";
import { NO_ACCESS } from "../../src/session/rights/access.ts";
import { OPEN } from "../../src/session/rights/permission.ts";
import { SUBJECT_LIMITS_DEFAULTS } from "../../src/policy/subject_limits.ts";
import { Limits } from "../../src/session/limits/limits.ts";
import { SessionRegistry } from "../../src/session/session_registry.ts";
import type { Lane, Transport } from "../../src/transport/transport.ts";

const SUBSCRIBERS = 1000;
const SECONDS = 2;

let delivered = 0;

class NullLane implements Lane {
  readonly bufferedBytes = 0;
  write(messages: readonly EncodedMessage[]): void {
    delivered += messages.length;
  }
  close(): void {}
}

class NullTransport implements Transport {
  readonly kind = "websocket";
  readonly encoding = "binary";
  readonly peer = { address: "192.0.2.1", exempt: false, origin: undefined };
  readonly control = new NullLane();
  readonly maxDatagramSize = 0;
  openLane(): undefined {}
  sendDatagram(): boolean {
    return false;
  }
  close(): void {}
}

const random = systemRandom;
const clock = systemClock;
const onError = (error: unknown) => {
  throw error;
};
const hub = new Hub({
  broker: new MemoryBroker(new MemoryStore({ clock, random, now: Date.now })),
  presence: new MemoryPresence(),
  namespaces: new Namespaces({
    chat: { ...NAMESPACE_DEFAULTS, permissions: OPEN },
    cursors: { ...NAMESPACE_DEFAULTS, permissions: OPEN, delivery: "latest" },
  }),
  clock,
  random,
  onError,
});
await hub.start();
const wheel = new TimerWheel(clock);
const sessions = new SessionRegistry({
  hub,
  cork: new Cork({ clock }),
  wheel,
  heartbeat: new Heartbeat({}, wheel, random),
  options: SESSION_DEFAULTS,
  access: NO_ACCESS,
  hooks: {},
  now: Date.now,
  rpc: {},
  reconnectSpreadMs: 0,
  returnsPerSecond: Infinity,
  onError,
  limits: new Limits({ limits: SUBJECT_LIMITS_DEFAULTS, store: undefined, clock, onError }),
  admission: new Admission(
    { ratePerSecond: Infinity, maxSessionsPerAddress: Infinity, ratePerSecondPerAddress: Infinity },
    clock,
    random,
  ),
  random,
});

const gc = (globalThis as { gc?: () => void }).gc;
gc?.();
const before = Deno.memoryUsage().heapUsed;
for (let at = 0; at < SUBSCRIBERS; at++) {
  const receiver = sessions.accept(new NullTransport());
  receiver.receive({ type: "connect", id: 1 }, 0);
  receiver.receive({ type: "subscribe", id: 2, channel: "chat:a" }, 0);
  receiver.receive({ type: "subscribe", id: 3, channel: "cursors:a" }, 0);
}
await turn();
gc?.();
const heapBytes = Deno.memoryUsage().heapUsed - before;

const data = { format: "binary", bytes: new Uint8Array(64) } as const;
const lines: string[] = [];
for (const channel of ["chat:a", "cursors:a"]) {
  for (const perTurn of [1, 10]) {
    await run(channel, perTurn, 0.5);
    const { ns, turns } = await run(channel, perTurn, SECONDS);
    lines.push(
      `${channel.padEnd(10)} ${String(perTurn).padStart(2)} a turn: ` +
        `${ns.toFixed(0).padStart(4)} ns a delivery, ${turns} turns`,
    );
  }
}
lines.push(
  `${(heapBytes / SUBSCRIBERS / 1024).toFixed(1)} KiB of heap a session, two subscriptions`,
);
await Deno.stdout.write(new TextEncoder().encode(lines.join("\n") + "\n"));
sessions.close();
await hub.close();

async function run(channel: string, perTurn: number, seconds: number) {
  delivered = 0;
  let turns = 0;
  const key = channel.startsWith("cursors") ? { key: "k" } : {};
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    for (let at = 0; at < perTurn; at++) void hub.publish({ channel, data, ...key });
    await turn();
    turns++;
  }
  // The cork may have put off the end of the last turn. Values of one key are conflated.
  const expected = turns * perTurn * SUBSCRIBERS;
  while (channel.startsWith("chat") && delivered < expected) await turn();
  // Of a latest channel the ten of one key are conflated: each still costs its delivery.
  return { ns: (performance.now() - start) * 1e6 / (turns * perTurn * SUBSCRIBERS), turns };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
