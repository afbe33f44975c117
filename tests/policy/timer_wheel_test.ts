import assert from "node:assert/strict";
import fc from "fast-check";
import { TimerEntry, TimerWheel } from "../../src/policy/timer_wheel.ts";
import { FakeClock } from "../fake_clock.ts";

class Probe extends TimerEntry {
  readonly ranAt: number[] = [];
  readonly #clock: FakeClock;
  readonly #then: (() => void) | undefined;

  constructor(clock: FakeClock, then?: () => void) {
    super();
    this.#clock = clock;
    this.#then = then;
  }

  override onDue(): void {
    this.ranAt.push(this.#clock.now());
    this.#then?.();
  }
}

Deno.test("TimerWheel runs an entry once, at the first step at or after its due time", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock, { granularityMs: 100 });
  const probe = new Probe(clock);
  wheel.schedule(probe, 250);
  clock.advance(299);
  assert.deepEqual(probe.ranAt, []);
  clock.advance(10_000);
  assert.deepEqual(probe.ranAt, [300]);
});

Deno.test("TimerWheel runs entries from 0 ms to several turns of the wheel away", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock, { granularityMs: 10 });
  const delays = [0, 1, 10, 5110, 5120, 5121, 15_370, 123_456];
  const probes = delays.map((delayMs) => {
    const probe = new Probe(clock);
    wheel.schedule(probe, delayMs);
    return probe;
  });
  clock.advance(200_000);
  assert.deepEqual(
    probes.map((probe) => probe.ranAt),
    [[10], [10], [10], [5110], [5120], [5130], [15_370], [123_460]],
  );
});

Deno.test("TimerWheel moves an entry that is scheduled again", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock, { granularityMs: 10 });
  const probe = new Probe(clock);
  wheel.schedule(probe, 100);
  wheel.schedule(probe, 500);
  assert.equal(wheel.size, 1);
  clock.advance(400);
  wheel.schedule(probe, 20);
  clock.advance(1000);
  assert.deepEqual(probe.ranAt, [420]);
});

Deno.test("TimerWheel keeps one timer while entries wait and none otherwise", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock);
  assert.equal(clock.pendingTimers, 0);
  const probes = Array.from({ length: 100 }, () => new Probe(clock));
  probes.forEach((probe, index) => wheel.schedule(probe, 100_000 - index * 900));
  assert.equal(clock.pendingTimers, 1);
  for (const probe of probes) wheel.cancel(probe);
  wheel.cancel(probes[0]!);
  assert.equal(wheel.size, 0);
  assert.equal(clock.pendingTimers, 0);
  wheel.schedule(probes[0]!, 1);
  clock.advance(1000);
  assert.equal(probes[0]!.ranAt.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("TimerWheel wakes only for slots that hold an entry", () => {
  class CountingClock extends FakeClock {
    started = 0;
    override setTimeout(callback: () => void, ms: number): number {
      this.started++;
      return super.setTimeout(callback, ms);
    }
  }
  const clock = new CountingClock(0);
  const wheel = new TimerWheel(clock);
  wheel.schedule(new Probe(clock), 30_000);
  wheel.schedule(new Probe(clock), 60_000);
  clock.advance(100_000);
  assert.equal(clock.started, 2);
});

Deno.test("TimerWheel lets an entry schedule itself without spinning", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock, { granularityMs: 10 });
  const probe: Probe = new Probe(clock, () => wheel.schedule(probe, 0));
  wheel.schedule(probe, 0);
  clock.advance(50);
  assert.deepEqual(probe.ranAt, [10, 20, 30, 40, 50]);
});

Deno.test("TimerWheel drops an entry that another one due at the same time cancels", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock, { granularityMs: 10 });
  const victim = new Probe(clock);
  wheel.schedule(new Probe(clock, () => wheel.cancel(victim)), 10);
  wheel.schedule(victim, 10);
  clock.advance(100);
  assert.deepEqual(victim.ranAt, []);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("TimerWheel runs the other entries after one has thrown", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock, { granularityMs: 10 });
  const after = new Probe(clock);
  wheel.schedule(
    new Probe(clock, () => {
      throw new Error("broken entry");
    }),
    10,
  );
  wheel.schedule(after, 10);
  assert.throws(() => clock.advance(100), /broken entry/);
  clock.advance(100);
  assert.deepEqual(after.ranAt, [10]);
});

Deno.test("TimerWheel runs what fell due while the process was suspended", () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock);
  const probes = [100, 30_000, 3_600_000, 8_000_000].map((delayMs) => {
    const probe = new Probe(clock);
    wheel.schedule(probe, delayMs);
    return probe;
  });
  clock.suspend(7_200_000);
  clock.advance(1);
  assert.deepEqual(probes.map((probe) => probe.ranAt.length), [1, 1, 1, 0]);
  clock.advance(1_000_000);
  assert.deepEqual(probes[3]!.ranAt, [8_000_000]);
});

Deno.test("TimerWheel goes on after a clock's timer that fired early", () => {
  class HastyClock extends FakeClock {
    hasteMs = 3;
    override setTimeout(callback: () => void, ms: number): number {
      const id = super.setTimeout(callback, ms - this.hasteMs);
      this.hasteMs = 0;
      return id;
    }
  }
  const clock = new HastyClock(0);
  const wheel = new TimerWheel(clock, { granularityMs: 100 });
  const probe = new Probe(clock);
  wheel.schedule(probe, 1000);
  clock.advance(2000);
  assert.deepEqual(probe.ranAt, [1000]);
});

Deno.test("TimerWheel refuses a delay or a granularity that is no time", () => {
  const clock = new FakeClock();
  for (const granularityMs of [0, -1, NaN, Infinity]) {
    assert.throws(() => new TimerWheel(clock, { granularityMs }), RangeError);
  }
  const wheel = new TimerWheel(clock);
  for (const delayMs of [NaN, Infinity, -Infinity]) {
    assert.throws(() => wheel.schedule(new Probe(clock), delayMs), RangeError);
  }
  assert.equal(wheel.size, 0);
});

Deno.test("TimerWheel is never early and late by less than its granularity, whatever is done", () => {
  const step = fc.record({
    entry: fc.nat(9),
    action: fc.constantFrom("schedule", "schedule", "cancel", "advance"),
    ms: fc.oneof(fc.nat(50), fc.nat(20_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (steps, g) => {
      const clock = new FakeClock(3);
      const wheel = new TimerWheel(clock, { granularityMs: g });
      const dueMs = new Map<Probe, number>();
      const run = (probe: Probe) => {
        const due = dueMs.get(probe);
        assert.ok(due !== undefined, "ran although it did not wait");
        // A delay of 0 waits for the next step at most.
        assert.ok(clock.now() >= due && clock.now() - due <= g, `${clock.now()} ${due}`);
        dueMs.delete(probe);
      };
      const probes = Array.from({ length: 10 }, () => {
        const probe: Probe = new Probe(clock, () => run(probe));
        return probe;
      });
      for (const { entry, action, ms } of steps) {
        const probe = probes[entry]!;
        if (action === "advance") {
          clock.advance(ms);
        } else if (action === "cancel") {
          wheel.cancel(probe);
          dueMs.delete(probe);
        } else {
          wheel.schedule(probe, ms);
          dueMs.set(probe, clock.now() + ms);
        }
        assert.equal(wheel.size, dueMs.size);
      }
      clock.advance(20_100);
      assert.equal(dueMs.size, 0);
      assert.equal(clock.pendingTimers, 0);
    }),
    { seed: 1, numRuns: 300 },
  );
});
