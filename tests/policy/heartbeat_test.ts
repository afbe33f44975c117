import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Heartbeat,
  type HeartbeatHandle,
  type HeartbeatOptions,
} from "../../src/policy/heartbeat.ts";
import { type Random, seededRandom } from "../../src/policy/random.ts";
import { TimerWheel } from "../../src/policy/timer_wheel.ts";
import { FakeClock } from "../fake_clock.ts";

function setUp(options: HeartbeatOptions = {}, random: Random = () => 0) {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock);
  const heartbeat = new Heartbeat({ intervalMs: 30_000, ...options }, wheel, random);
  const startMs = clock.now();
  const watch = (onPing?: (id: number) => void) => {
    const seen = { pings: [] as number[], ids: [] as number[], dead: [] as number[] };
    const handle = heartbeat.watch({
      ping(id) {
        seen.pings.push(clock.now() - startMs);
        seen.ids.push(id);
        onPing?.(id);
      },
      dead() {
        seen.dead.push(clock.now() - startMs);
      },
    });
    return { handle, seen };
  };
  return { clock, wheel, watch };
}

Deno.test("a silent peer gets `misses` pings an interval apart, then is dead within the bound", () => {
  const { clock, watch } = setUp();
  const { seen } = watch();
  clock.advance(600_000);
  assert.deepEqual(seen.pings, [30_000, 60_000, 90_000]);
  assert.deepEqual(seen.dead, [119_750]);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a peer that only answers pings is never dead", () => {
  const { clock, watch } = setUp();
  const { seen, handle } = watch((id) => clock.setTimeout(() => handle.pong(id), 80));
  clock.advance(3_600_000);
  assert.deepEqual(seen.dead, []);
  assert.ok(seen.pings.length >= 119, `${seen.pings.length}`);
});

Deno.test("a peer that answers every third ping is never dead", () => {
  const { clock, watch } = setUp();
  let pings = 0;
  const { seen, handle } = watch((id) => {
    if (++pings % 3 === 0) handle.pong(id);
  });
  clock.advance(3_600_000);
  assert.deepEqual(seen.dead, []);
});

Deno.test("a peer that talks is never pinged", () => {
  const { clock, watch } = setUp();
  const { seen, handle } = watch();
  for (let turn = 0; turn < 200; turn++) {
    clock.advance(29_999);
    handle.touch();
  }
  assert.deepEqual(seen, { pings: [], ids: [], dead: [] });
});

Deno.test("touch() counts from the moment of the traffic, not from the next look", () => {
  const { clock, watch } = setUp();
  const { seen, handle } = watch();
  clock.advance(10_000);
  handle.touch();
  clock.advance(600_000);
  assert.deepEqual(seen.pings, [40_000, 70_000, 100_000]);
  assert.deepEqual(seen.dead, [129_750]);
});

Deno.test("a quiet peer that answers is woken no more often than the interval, by any phase", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1000, max: 60_000 }), (seed, intervalMs) => {
      const { clock, watch } = setUp({ intervalMs }, seededRandom(seed));
      const { seen, handle } = watch((id) => clock.setTimeout(() => handle.pong(id), 80));
      clock.advance(20 * intervalMs);
      assert.ok(seen.pings.length >= 15, `${seen.pings.length}`);
      for (const [index, atMs] of seen.pings.entries()) {
        const quietMs = atMs - (index === 0 ? 0 : seen.pings[index - 1]! + 80);
        assert.ok(quietMs >= intervalMs, `${quietMs} < ${intervalMs}`);
      }
    }),
    { seed: 3, numRuns: 100 },
  );
});

Deno.test("of two ends that watch each other, one asks, and its ping spares the other's", () => {
  const clock = new FakeClock();
  const heartbeat = new Heartbeat({ intervalMs: 30_000 }, new TimerWheel(clock), seededRandom(4));
  const awakeMs: number[] = [];
  const ends: HeartbeatHandle[] = [];
  // Either end of a path of 80 ms, and no other traffic than pings and pongs.
  for (const side of [0, 1]) {
    ends.push(heartbeat.watch({
      ping(id) {
        awakeMs.push(clock.now());
        clock.setTimeout(() => {
          ends[1 - side]!.touch();
          clock.setTimeout(() => ends[side]!.pong(id), 80);
        }, 80);
      },
      dead: () => assert.fail("a live end was given up"),
    }));
  }
  const hourMs = 3_600_000;
  clock.advance(hourMs);
  assert.ok(awakeMs.length <= hourMs / 30_000, `${awakeMs.length}`);
  assert.ok(awakeMs.length >= hourMs / 38_000, `${awakeMs.length}`);
});

Deno.test("100,000 quiet sessions cost one timer", () => {
  const { clock, wheel, watch } = setUp({}, seededRandom(5));
  const handles = Array.from({ length: 100_000 }, () => watch().handle);
  assert.equal(wheel.size, 100_000);
  assert.equal(clock.pendingTimers, 1);
  // Another wake-up for each step of the wheel at most, however many peers are due in it.
  const { setTimeout } = clock;
  let started = 0;
  clock.setTimeout = function (callback, ms) {
    started++;
    return setTimeout.call(clock, callback, ms);
  };
  for (let second = 0; second < 60; second++) {
    clock.advance(1000);
    assert.equal(clock.pendingTimers, 1);
    for (let at = second; at < handles.length; at += 20) handles[at]!.touch();
  }
  assert.ok(started <= 240, `${started}`);
  assert.equal(wheel.size, 100_000);
  for (const handle of handles) handle.stop();
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a page whose timers run once a minute keeps its server, and is kept by it", () => {
  const server = setUp({}, seededRandom(6));
  const page = setUp({}, seededRandom(7));
  // What comes in is handled at once; only the page's timers wait for the minute.
  const kept = server.watch((id) => {
    page.clock.suspend(server.clock.now() - page.clock.now());
    watched.handle.touch();
    kept.handle.pong(id);
  });
  const watched = page.watch((id) => {
    kept.handle.touch();
    watched.handle.pong(id);
  });
  for (let minute = 0; minute < 120; minute++) {
    server.clock.advance(60_000);
    page.clock.suspend(server.clock.now() - page.clock.now());
    page.clock.advance(0);
  }
  assert.deepEqual([kept.seen.dead, watched.seen.dead], [[], []]);
  // The server's pings are life enough: the page seldom sends one of its own.
  assert.ok(kept.seen.pings.length > 150, `${kept.seen.pings.length}`);
  assert.ok(watched.seen.pings.length < 15, `${watched.seen.pings.length}`);
});

Deno.test("touch() starts no timer", () => {
  const { clock, watch } = setUp();
  const { handle } = watch();
  clock.setTimeout = () => assert.fail("a timer was started");
  clock.clearTimeout = () => assert.fail("a timer was stopped");
  handle.touch();
});

Deno.test("peers that fell quiet together are pinged over a quarter of the interval", () => {
  const { clock, watch } = setUp({}, seededRandom(11));
  const peers = Array.from({ length: 1000 }, () => watch().seen);
  clock.advance(37_500);
  const perSecond = new Map<number, number>();
  for (const { pings } of peers) {
    assert.equal(pings.length, 1);
    const at = pings[0]!;
    assert.ok(at >= 30_000 && at <= 37_500, `${at}`);
    const second = Math.floor(at / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  }
  assert.ok(Math.max(...perSecond.values()) < 200, `${[...perSecond.values()]}`);
});

Deno.test("a dead peer is found within the bound and a live one never, whatever the phase", () => {
  fc.assert(
    fc.property(
      fc.record({
        intervalMs: fc.integer({ min: 1000, max: 60_000 }),
        misses: fc.integer({ min: 1, max: 5 }),
        seed: fc.integer(),
        traffic: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }),
      }),
      ({ intervalMs, misses, seed, traffic }) => {
        const { clock, watch } = setUp({ intervalMs, misses }, seededRandom(seed));
        const { seen, handle } = watch();
        const boundMs = intervalMs * (misses + 1);
        let lastMs = 0;
        for (const share of traffic) {
          // Anything that comes in before the last ping could be answered keeps the peer alive.
          const quietMs = share * (boundMs - intervalMs);
          clock.advance(quietMs);
          lastMs += quietMs;
          handle.touch();
        }
        assert.deepEqual(seen.dead, []);
        const before = seen.pings.length;
        clock.advance(2 * boundMs);
        assert.equal(seen.pings.length - before, misses);
        assert.equal(seen.dead.length, 1);
        const quietMs = seen.dead[0]! - lastMs;
        assert.ok(quietMs <= boundMs, `${quietMs} > ${boundMs}`);
        const sinceLastPingMs = seen.dead[0]! - seen.pings.at(-1)!;
        assert.ok(sinceLastPingMs >= intervalMs / 2, `${sinceLastPingMs} of ${intervalMs}`);
      },
    ),
    { seed: 2, numRuns: 300 },
  );
});

Deno.test("a process that was suspended grants the peer one interval more", () => {
  const { clock, watch } = setUp();
  const answered = watch();
  const silent = watch();
  clock.advance(95_000);
  clock.suspend(3_600_000);
  clock.advance(1);
  assert.deepEqual([answered.seen.dead, silent.seen.dead], [[], []]);
  answered.handle.touch();
  clock.advance(31_000);
  assert.deepEqual(answered.seen.dead, []);
  assert.deepEqual(silent.seen.dead.length, 1);
});

Deno.test("a process whose every timer is late still finds a dead peer", () => {
  const { clock, watch } = setUp();
  const { seen } = watch();
  // As in a page that is not shown: timers run at most once a minute.
  for (let minute = 0; minute < 10; minute++) {
    clock.suspend(60_000);
    clock.advance(0);
  }
  assert.deepEqual([seen.pings.length, seen.dead.length], [4, 1]);
});

Deno.test("a process that slept through several pings does not send them all at once", () => {
  const { clock, watch } = setUp();
  const { seen } = watch();
  clock.suspend(80_000);
  clock.advance(1000);
  assert.equal(seen.pings.length, 1);
  clock.advance(28_000);
  assert.equal(seen.pings.length, 1);
});

Deno.test("the pong to the newest ping measures the round trip, once", () => {
  const { clock, watch } = setUp();
  const { seen, handle } = watch();
  clock.advance(30_000);
  clock.advance(40);
  handle.pong(seen.ids[0]!);
  assert.equal(handle.rtt.smoothedMs, 40);
  clock.advance(10);
  handle.pong(seen.ids[0]!);
  assert.equal(handle.rtt.smoothedMs, 40);
});

Deno.test("a pong to an older or unknown ping is traffic and no measurement", () => {
  const { clock, watch } = setUp();
  const { seen, handle } = watch();
  handle.pong(0);
  clock.advance(61_000);
  assert.equal(seen.ids.length, 2);
  handle.pong(seen.ids[0]!);
  handle.pong(77);
  assert.equal(handle.rtt.smoothedMs, undefined);
  clock.advance(60_000);
  assert.deepEqual(seen.dead, []);
});

Deno.test("ping() measures on demand and is no miss", () => {
  const { clock, watch } = setUp();
  const { seen, handle } = watch();
  for (let turn = 0; turn < 10; turn++) handle.ping();
  clock.advance(20);
  handle.pong(seen.ids.at(-1)!);
  assert.equal(handle.rtt.smoothedMs, 20);
  assert.deepEqual(seen.ids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  clock.advance(100_000);
  assert.deepEqual(seen.dead, []);
});

Deno.test("stop() ends a watch, from within ping() too", () => {
  const { clock, wheel, watch } = setUp();
  const early = watch();
  early.handle.stop();
  early.handle.stop();
  const { handle, seen } = watch(() => handle.stop());
  clock.advance(600_000);
  assert.deepEqual(early.seen, { pings: [], ids: [], dead: [] });
  assert.deepEqual([seen.pings.length, seen.dead.length], [1, 0]);
  assert.equal(wheel.size, 0);
});

Deno.test("intervalMs 0 disables the heartbeat and leaves ping() for measuring", () => {
  const { clock, watch } = setUp({ intervalMs: 0 });
  const { seen, handle } = watch();
  assert.equal(clock.pendingTimers, 0);
  clock.advance(3_600_000);
  assert.deepEqual([seen.pings, seen.dead], [[], []]);
  handle.ping();
  clock.advance(5);
  handle.pong(1);
  assert.equal(handle.rtt.smoothedMs, 5);
});

Deno.test("Heartbeat refuses an interval that the wheel cannot keep, and no misses", () => {
  for (const intervalMs of [-1, 1, 999, NaN, Infinity]) {
    assert.throws(() => setUp({ intervalMs }), /intervalMs must be 0 or at least 1000: /);
  }
  for (const misses of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(() => setUp({ misses }), /misses must be a positive integer: /);
  }
});
