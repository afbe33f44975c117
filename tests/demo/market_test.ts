import assert from "node:assert/strict";
import { Market, type OrderEvent } from "../../src/demo/market.ts";
import { seededRandom } from "../../src/policy/random.ts";

const ACCOUNT = "an-account-of-tests";

Deno.test("one seed makes one market", () => {
  const markets = [7, 7, 8].map((seed) => {
    const market = new Market(seededRandom(seed), 50);
    for (let i = 0; i < 100; i++) market.step(20);
    const { quotes, depths, trades } = market.step(20);
    return JSON.stringify([[...quotes], [...depths], trades]);
  });
  assert.equal(markets[0], markets[1]);
  assert.notEqual(markets[0], markets[2]);
});

Deno.test("the house keeps both sides of every book, never crossed, with bounded orders", () => {
  const market = new Market(seededRandom(1), 40);
  assert.equal(new Set(market.symbols).size, 40);
  let trades = 0;
  for (let i = 0; i < 2000; i++) {
    const step = market.step(20);
    trades += step.trades.length;
    for (const [symbol, { bid, ask }] of step.quotes) {
      if (bid !== undefined && ask !== undefined) {
        assert.ok(bid < ask, `${symbol}: ${bid} is below ${ask}`);
      }
    }
  }
  assert.ok(trades > 1000, `${trades}`);
});

Deno.test("quotes and trades are numbered without a hole", () => {
  const market = new Market(seededRandom(1), 20);
  const numbers = new Map<string, number>();
  let trade = 0;
  for (let i = 0; i < 500; i++) {
    const { quotes, trades } = market.step(10);
    for (const [symbol, { n }] of quotes) {
      assert.equal(n, (numbers.get(symbol) ?? 0) + 1);
      numbers.set(symbol, n);
    }
    for (const { n } of trades) assert.equal(n, ++trade);
  }
});

Deno.test("an order without a limit takes what there is, and every event has the next number", () => {
  const market = new Market(seededRandom(1), 5);
  market.step(0);
  const symbol = market.symbols[0]!;
  assert.equal(
    typeof market.place({ account: ACCOUNT, symbol, side: "buy", quantity: 50 }),
    "number",
  );
  const { events, trades } = market.step(0);
  const kinds = events.map(({ event }) => event.kind);
  assert.equal(kinds[0], "accepted");
  assert.ok(kinds.includes("filled"));
  assert.deepEqual(events.map(({ event }) => event.seq), kinds.map((_, at) => at + 1));
  const filled = events.filter(({ event }) => event.kind === "filled");
  assert.equal(filled.length, trades.length);
  assert.equal(filled.reduce((sum, { event }) => sum + event.quantity, 0), 50);
});

Deno.test("an order with a limit rests until the house meets it, or it is cancelled", () => {
  const market = new Market(seededRandom(5), 1);
  const symbol = market.symbols[0]!;
  const { bid } = market.step(0).quotes.get(symbol)!;
  const low = market.place({ account: ACCOUNT, symbol, side: "buy", quantity: 10, limit: 1 });
  const near = market.place({ account: ACCOUNT, symbol, side: "buy", quantity: 10, limit: bid! });
  const events: OrderEvent[] = [];
  for (let i = 0; i < 3000; i++) events.push(...market.step(3).events.map(({ event }) => event));
  assert.ok(events.some(({ id, kind, left }) => id === near && kind === "filled" && left === 0));
  assert.equal(market.cancel(ACCOUNT, low as number), true);
  assert.equal(market.cancel(ACCOUNT, low as number), false);
  const [last] = market.step(0).events;
  assert.equal(last?.event.kind, "cancelled");
  assert.equal(last?.event.seq, events.at(-1)!.seq + 1);
});

Deno.test("what cannot be placed is refused with the reason", () => {
  const market = new Market(seededRandom(1), 1);
  const order = { account: ACCOUNT, side: "buy", quantity: 1, limit: 1 } as const;
  assert.equal(market.place({ ...order, symbol: "?" }), 'There is no such symbol: "?"');
  const symbol = market.symbols[0]!;
  for (let i = 0; i < 200; i++) assert.equal(typeof market.place({ ...order, symbol }), "number");
  assert.equal(market.place({ ...order, symbol }), "Too many orders rest: 200");
});
