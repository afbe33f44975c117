import assert from "node:assert/strict";
import { Watch } from "../../src/client/watch.ts";
import { FakeClock } from "../fake_clock.ts";

const CONNECTED = {
  type: "connected",
  id: 1,
  session: "s",
  ticket: "t",
  resumed: false,
  resumeWindowMs: 0,
  pingIntervalMs: 1000,
  pingMisses: 2,
  reconnectSpreadMs: 0,
  maxMessageBytes: 65_536,
} as const;

function setUp(chance = 0) {
  const clock = new FakeClock(0);
  const pings: [id: number, atMs: number][] = [];
  const dead: [reason: string, atMs: number][] = [];
  const watch = new Watch(clock, () => chance, {
    ping: (id) => pings.push([id, clock.now()]),
    dead: (reason) => {
      dead.push([reason, clock.now()]);
      watch.stop();
    },
  });
  return { clock, watch, pings, dead };
}

function connected(chance = 0) {
  const set = setUp(chance);
  set.watch.connecting();
  set.watch.connected(CONNECTED);
  return set;
}

Deno.test("a connect that is not answered in ten seconds is in vain, whatever else comes", () => {
  const { clock, watch, pings, dead } = setUp();
  watch.connecting();
  clock.advance(9000);
  watch.arrived();
  clock.advance(1000);
  assert.deepEqual(dead, [["The server did not answer connect", 10_000]]);
  assert.deepEqual(pings, []);
});

Deno.test("a silent server gets `pingMisses` pings an interval apart, then is dead within the bound", () => {
  const { clock, pings, dead } = connected();
  clock.advance(60_000);
  assert.deepEqual(pings, [[1, 0], [2, 1000], [3, 2000]]);
  assert.deepEqual(dead, [["The server does not answer", 3000]]);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a client may ping up to a quarter of an interval later, and decides no later for it", () => {
  const { clock, pings, dead } = connected(0.8);
  clock.advance(60_000);
  assert.deepEqual(pings, [[1, 0], [2, 1200], [3, 2200]]);
  assert.deepEqual(dead, [["The server does not answer", 3000]]);
});

Deno.test("a server that is heard of within each interval is not pinged", () => {
  const { clock, watch, pings, dead } = connected();
  for (let round = 0; round < 20; round++) {
    clock.advance(900);
    watch.arrived();
  }
  assert.deepEqual(pings, [[1, 0]]);
  assert.deepEqual(dead, []);
});

Deno.test("an interval of 0 pings nobody but to measure", () => {
  const { clock, watch, pings, dead } = setUp();
  watch.connected({ ...CONNECTED, pingIntervalMs: 0 });
  clock.advance(3_600_000);
  assert.equal(pings.length, 1);
  assert.deepEqual(dead, []);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("only the newest pong measures, and only once", () => {
  const { clock, watch } = connected();
  clock.advance(100);
  watch.ping();
  watch.pong(1);
  assert.equal(watch.rttMs, undefined);
  clock.advance(40);
  watch.pong(2);
  clock.advance(40);
  watch.pong(2);
  assert.equal(watch.rttMs, 40);
});

Deno.test("a probe wants to hear something within five seconds", () => {
  const quiet = setUp();
  quiet.watch.connected({ ...CONNECTED, pingIntervalMs: 0 });
  quiet.watch.probe();
  quiet.watch.probe();
  assert.equal(quiet.pings.length, 2);
  quiet.clock.advance(5000);
  assert.deepEqual(quiet.dead.length, 1);

  const lively = setUp();
  lively.watch.connected({ ...CONNECTED, pingIntervalMs: 0 });
  lively.watch.probe();
  lively.clock.advance(4999);
  lively.watch.arrived();
  lively.clock.advance(5000);
  assert.deepEqual(lively.dead, []);
});

Deno.test("a client that was suspended grants the server one interval more", () => {
  const { clock, watch, dead } = connected();
  clock.advance(2500);
  clock.suspend(3_600_000);
  clock.advance(0);
  assert.deepEqual(dead, []);
  watch.arrived();
  clock.advance(900);
  assert.deepEqual(dead, []);
});

Deno.test("a client whose every timer is late still finds a dead server", () => {
  const { clock, dead } = connected();
  for (let round = 0; round < 4; round++) {
    clock.suspend(60_000);
    clock.advance(0);
  }
  assert.equal(dead.length, 1);
});
