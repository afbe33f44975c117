import assert from "node:assert/strict";
import fc from "fast-check";
import { CircuitBreaker } from "../../src/policy/circuit_breaker.ts";
import { FakeClock } from "../fake_clock.ts";

function create(failures = 3, random = () => 0) {
  const clock = new FakeClock();
  return { clock, breaker: new CircuitBreaker({ failures, openMs: 1000 }, clock, random) };
}

function fail(breaker: CircuitBreaker): boolean {
  return breaker.fail(breaker.enter()!);
}

Deno.test("a circuit opens after failures in a row, and a success between them counts anew", () => {
  const { breaker } = create();
  assert.deepEqual([fail(breaker), fail(breaker)], [false, false]);
  assert.equal(breaker.succeed(breaker.enter()!), false);
  assert.deepEqual([fail(breaker), fail(breaker), breaker.state], [false, false, "closed"]);
  assert.equal(fail(breaker), true);
  assert.equal(breaker.state, "open");
  assert.equal(breaker.enter(), undefined);
});

Deno.test("one may probe a circuit that was open long enough, and its success closes it", () => {
  const { breaker, clock } = create(1);
  fail(breaker);
  clock.advance(999);
  assert.deepEqual([breaker.enter(), breaker.retryInMs], [undefined, 1]);
  clock.advance(1);
  assert.equal(breaker.state, "half-open");
  const probe = breaker.enter();
  assert.notEqual(probe, undefined);
  assert.equal(breaker.enter(), undefined, "a second probe beside it");
  assert.equal(breaker.succeed(probe!), true);
  assert.equal(breaker.state, "closed");
  assert.notEqual(breaker.enter(), undefined);
});

Deno.test("a probe that fails opens the circuit again for the whole time", () => {
  const { breaker, clock } = create(3);
  for (let i = 0; i < 3; i++) fail(breaker);
  clock.advance(1000);
  assert.equal(fail(breaker), true);
  assert.equal(breaker.retryInMs, 1000);
});

Deno.test("a probe that was broken off leaves its place to the next", () => {
  const { breaker, clock } = create(1);
  const early = breaker.enter()!;
  fail(breaker);
  clock.advance(1000);
  const probe = breaker.enter()!;
  breaker.cancel(early);
  assert.equal(breaker.enter(), undefined);
  breaker.cancel(probe);
  assert.equal(breaker.state, "half-open");
  assert.equal(breaker.succeed(breaker.enter()!), true);
});

Deno.test("an attempt from before the circuit opened says nothing about it", () => {
  const { breaker, clock } = create(1);
  const late = breaker.enter()!;
  const later = breaker.enter()!;
  fail(breaker);
  assert.equal(breaker.succeed(late), false);
  clock.advance(1000);
  const probe = breaker.enter()!;
  assert.equal(breaker.fail(later), false);
  assert.equal(breaker.state, "half-open");
  assert.equal(breaker.succeed(probe), true);
});

Deno.test("a circuit is open for up to a quarter longer, by chance", () => {
  const { breaker } = create(1, () => 0.9999);
  fail(breaker);
  assert.ok(breaker.retryInMs > 1249 && breaker.retryInMs < 1250, String(breaker.retryInMs));
});

Deno.test("a circuit breaker refuses limits that make no sense", () => {
  const make = (failures: number, openMs: number) => () =>
    new CircuitBreaker({ failures, openMs }, new FakeClock(), () => 0);
  assert.throws(make(0, 1), RangeError);
  assert.throws(make(NaN, 1), RangeError);
  assert.throws(make(1, 0), RangeError);
});

Deno.test("whatever happens, an open circuit lets at most one through in its open time", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("enter" as const) }),
    fc.record({ do: fc.constantFrom("succeed" as const, "fail" as const), which: fc.nat(20) }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.nat(1500) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const { breaker, clock } = create(2);
      const passes: number[] = [];
      let probes = 0;
      for (const each of steps) {
        switch (each.do) {
          case "enter": {
            const closed = breaker.state === "closed";
            const pass = breaker.enter();
            if (pass === undefined) break;
            passes.push(pass);
            if (!closed) assert.equal(++probes, 1, "probes at once");
            break;
          }
          case "wait":
            clock.advance(each.ms);
            break;
          default: {
            const [pass] = passes.splice(each.which % Math.max(1, passes.length), 1);
            if (pass === undefined) break;
            if (breaker[each.do](pass)) probes = 0;
          }
        }
        assert.equal(breaker.retryInMs > 0, breaker.state === "open");
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
