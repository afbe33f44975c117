import assert from "node:assert/strict";
import fc from "fast-check";
import { Backoff, type Jitter, spreadWindowMs } from "../../src/policy/jitter.ts";
import { seededRandom } from "../../src/policy/random.ts";

const ALMOST_ONE = 1 - 2 ** -32;

const bounds: { jitter: Jitter; least: number[]; most: number[] }[] = [
  { jitter: "full", least: [0, 0, 0, 0, 0], most: [100, 200, 400, 800, 1000] },
  { jitter: "equal", least: [50, 100, 200, 400, 500], most: [100, 200, 400, 800, 1000] },
  {
    jitter: "decorrelated",
    least: [100, 100, 100, 100, 100],
    most: [300, 900, 1000, 1000, 1000],
  },
];

for (const { jitter, least, most } of bounds) {
  Deno.test(`Backoff with ${jitter} jitter draws between its bounds`, () => {
    const draw = (chance: number) => {
      const backoff = new Backoff({ jitter, baseMs: 100, capMs: 1000 }, () => chance);
      return least.map(() => Math.round(backoff.nextDelayMs()));
    };
    assert.deepEqual(draw(0), least);
    assert.deepEqual(draw(ALMOST_ONE), most);
  });

  Deno.test(`Backoff with ${jitter} jitter never exceeds its cap, nor a minimum from below`, () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 0, max: 100_000 }),
        fc.nat(60_000),
        (seed, baseMs, extraMs, minimumMs) => {
          const capMs = baseMs + extraMs;
          const backoff = new Backoff({ jitter, baseMs, capMs }, seededRandom(seed));
          for (let attempt = 0; attempt < 1100; attempt += 1) {
            const delayMs = backoff.nextDelayMs(minimumMs);
            assert.ok(delayMs >= minimumMs && delayMs <= minimumMs + capMs, `${delayMs}`);
          }
        },
      ),
      { seed: 4, numRuns: 20 },
    );
  });

  Deno.test(`Backoff with ${jitter} jitter starts over after reset()`, () => {
    const backoff = new Backoff({ jitter, baseMs: 100, capMs: 10_000 }, () => 0.5);
    const first = backoff.nextDelayMs();
    backoff.nextDelayMs();
    backoff.nextDelayMs();
    assert.equal(backoff.attempts, 3);
    backoff.reset();
    assert.equal(backoff.attempts, 0);
    assert.equal(backoff.nextDelayMs(), first);
  });

  Deno.test(`Backoff with ${jitter} jitter spreads clients at the cap instead of gathering them`, () => {
    const random = seededRandom(5);
    const buckets = new Map<number, number>();
    for (let client = 0; client < 1000; client++) {
      const backoff = new Backoff({ jitter, baseMs: 100, capMs: 1000 }, random);
      let delayMs = 0;
      for (let attempt = 0; attempt < 10; attempt++) delayMs = backoff.nextDelayMs();
      const bucket = Math.floor(delayMs / 50);
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
    }
    // "equal" uses the upper half, ten buckets; twice an even share is out of reach of chance.
    assert.ok(Math.max(...buckets.values()) < 200, JSON.stringify([...buckets]));
  });
}

Deno.test("Backoff adds what the server said, so that clients told the same stay apart", () => {
  const random = seededRandom(6);
  const delays = Array.from(
    { length: 100 },
    () => new Backoff({ baseMs: 1000 }, random).nextDelayMs(5000),
  );
  assert.ok(Math.min(...delays) >= 5000);
  assert.ok(new Set(delays).size === 100);
});

Deno.test("Backoff refuses a base and a cap that bound nothing", () => {
  for (
    const bad of [{ baseMs: 0 }, { baseMs: -1 }, { baseMs: NaN }, { baseMs: 10, capMs: 9 }, {
      capMs: Infinity,
    }]
  ) assert.throws(() => new Backoff(bad, Math.random), RangeError, JSON.stringify(bad));
});

Deno.test("spreadWindowMs() brings clients back at four fifths of the rate", () => {
  assert.equal(spreadWindowMs(10_000, 1000), 12_500);
  assert.equal(spreadWindowMs(0, 100), 0);
  assert.equal(spreadWindowMs(100, Infinity), 0);
  for (const rate of [0, -1, NaN]) assert.throws(() => spreadWindowMs(1, rate), RangeError);
});
