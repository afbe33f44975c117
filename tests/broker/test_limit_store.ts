import assert from "node:assert/strict";
import type { LimitStore } from "../../src/broker/limit_store.ts";

/** Two nodes that count together. */
export interface LimitNodes {
  readonly nodes: readonly LimitStore[];
  /** Lets time pass, of which Redis has its own. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** What every {@linkcode LimitStore} does. */
export function testLimitStore(name: string, open: (ttlMs: number) => Promise<LimitNodes>): void {
  const test = (what: string, ttlMs: number, body: (nodes: LimitNodes) => Promise<void>) =>
    Deno.test(`${name} ${what}`, async () => {
      const nodes = await open(ttlMs);
      try {
        await body(nodes);
      } finally {
        await nodes.close();
      }
    });

  test("gives all nodes a second's points together", 60_000, async ({ nodes, advance }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.take("rate of {odd} names", 10, 6), 0);
    assert.equal(await other.take("rate of {odd} names", 10, 4), 0);
    const waitMs = await other.take("rate of {odd} names", 10, 1);
    assert.ok(waitMs > 0 && waitMs <= 1000, `${waitMs}`);
    assert.equal(await one.take("another", 10, 10), 0);
    await advance(waitMs);
    assert.equal(await one.take("rate of {odd} names", 10, 10), 0);
  });

  test("gives as many as there is room for beside the others'", 60_000, async ({ nodes }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.claim("a", 0, 2, 5), 2);
    assert.equal(await other.claim("a", 0, 9, 5), 3);
    assert.equal(await one.claim("a", 2, 1, 5), 0);
    assert.equal(await other.claim("a", 1, 0, 5), 0);
    assert.equal(await one.claim("a", 2, 9, 5), 2);
    assert.equal(await other.claim("b", 0, 9, 5), 5);
  });

  test("counts what a node has in any case", 60_000, async ({ nodes }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.claim("a", 7, 1, 5), 0);
    assert.equal(await other.claim("a", 0, 1, 5), 0);
    assert.equal(await one.claim("a", 0, 0, 5), 0);
    assert.equal(await other.claim("a", 0, 1, 5), 1);
  });

  test("counts what a node has until it no longer says so", 300, async ({ nodes, advance }) => {
    const [one, other] = nodes as [LimitStore, LimitStore];
    assert.equal(await one.claim("a", 0, 5, 5), 5);
    assert.equal(await other.claim("a", 0, 1, 5), 0);
    await advance(300);
    assert.equal(await other.claim("a", 0, 5, 5), 5);
  });
}
