import assert from "node:assert/strict";
import fc from "fast-check";
import { SharedRate } from "../../src/session/limits/shared_rate.ts";
import { Tally } from "../../src/session/limits/tally.ts";
import { RateLimit } from "../../src/policy/rate_limit.ts";
import { MemoryLimits, MemoryLimitStore } from "../broker/memory_limit_store.ts";
import { FakeClock, settle } from "../fake_clock.ts";

const SEED = { seed: 61, numRuns: 200 };

Deno.test("tallies of three nodes never give more than there are, nor lose any, whatever the order", async () => {
  const action = fc.record({
    node: fc.nat(2),
    what: fc.constantFrom("take", "take", "take", "give", "wait"),
  });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.array(action), async (max, actions) => {
      const limits = new MemoryLimits(new FakeClock());
      const nodes = [0, 1, 2].map((at) => {
        const store = {
          limits: new MemoryLimitStore(limits, `node${at}`),
          failing: false,
          onFailing: (error: unknown) => assert.fail(String(error)),
        };
        return { tally: new Tally("t", max, store), has: 0 };
      });
      const total = () => nodes.reduce((sum, { has }) => sum + has, 0);
      for (const { node: at, what } of actions) {
        const node = nodes[at]!;
        if (what === "wait") await settle();
        else if (what === "take") {
          void Promise.resolve(node.tally.take()).then((taken) => {
            node.has += Number(taken);
            assert.ok(total() <= max, `${total()} of ${max}`);
          });
        } else if (node.has > 0) {
          node.has--;
          node.tally.give();
        }
      }
      await settle();
      for (const { tally, has } of nodes) assert.equal(tally.count, has);
      // What was given back is there for whoever comes next.
      while (total() < max) {
        assert.equal(await nodes[0]!.tally.take(), true);
        nodes[0]!.has++;
      }
      assert.equal(await nodes[1]!.tally.take(), false);
      for (const { tally, has } of nodes) for (let at = 0; at < has; at++) tally.give();
      await settle();
      assert.ok(nodes.every(({ tally }) => tally.idle));
      assert.deepEqual([...limits.counts.get("t")?.keys() ?? []], []);
    }),
    SEED,
  );
});

Deno.test("what three nodes give of a rate in the long run is the rate, whatever they ask for", async () => {
  const burst = fc.record({ node: fc.nat(2), times: fc.nat(60), afterMs: fc.nat(400) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 5, 50),
      fc.array(burst, { minLength: 100, maxLength: 200 }),
      async (perSecond, bursts) => {
        const clock = new FakeClock();
        const limits = new MemoryLimits(clock);
        const limit = new RateLimit({ ratePerSecond: perSecond, burst: perSecond }, clock);
        const nodes = [0, 1, 2].map((at) =>
          new SharedRate("r", { perSecond, limit }, new MemoryLimitStore(limits, `node${at}`))
        );
        let taken = 0;
        for (const { node, times, afterMs } of bursts) {
          for (let at = 0; at < times; at++) taken += Number(nodes[node]!.take(1, clock.now()));
          await clock.advanceAsync(afterMs);
          await settle();
        }
        const seconds = clock.now() / 1000 + 1;
        // Each node may owe a second's worth at the end.
        assert.ok(taken <= perSecond * (seconds + 3), `${taken} in ${seconds} s`);
      },
    ),
    { seed: 62, numRuns: 30 },
  );
});
