import assert from "node:assert/strict";
import { Reconnect } from "../../src/client/reconnect.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { FakeClock } from "../fake_clock.ts";

const LOSS = { announced: false, spreadMs: 4000, retryAfterMs: 0 };

function connectedFor(ms: number, seed: number): Reconnect {
  const clock = new FakeClock();
  const reconnect = new Reconnect(clock, seededRandom(seed));
  reconnect.connected();
  clock.advance(ms);
  return reconnect;
}

Deno.test("an unannounced loss spreads a thousand clients evenly over the server's time", () => {
  const quarters = [0, 0, 0, 0];
  for (let seed = 0; seed < 1000; seed++) {
    const delayMs = connectedFor(60_000, seed).delayMs(LOSS);
    assert(delayMs >= 0 && delayMs < 4000);
    quarters[Math.floor(delayMs / 1000)]!++;
  }
  for (const quarter of quarters) assert(quarter > 200 && quarter < 300, `${quarters}`);
});

Deno.test("an announced end brings the client back at once", () => {
  assert.equal(connectedFor(60_000, 1).delayMs({ ...LOSS, announced: true }), 0);
});

Deno.test("attempts after the first back off, up to 30 s", () => {
  const reconnect = connectedFor(60_000, 3);
  reconnect.delayMs({ ...LOSS, announced: true });
  let most = 0;
  for (let attempt = 1; attempt < 50; attempt++) {
    const delayMs = reconnect.delayMs({ ...LOSS, announced: true });
    assert(delayMs <= Math.min(30_000, 500 * 2 ** attempt));
    most = Math.max(most, delayMs);
  }
  assert(most > 15_000);
});

Deno.test("a server that closes every session soon after it opened is asked ever less often", () => {
  const clock = new FakeClock();
  const reconnect = new Reconnect(clock, () => 0.999);
  const delays: number[] = [];
  for (let round = 0; round < 8; round++) {
    reconnect.connected();
    clock.advance(100);
    delays.push(reconnect.delayMs({ ...LOSS, spreadMs: 0 }));
  }
  assert(delays[7]! > 20_000, `${delays}`);
});

Deno.test("a session of ten seconds makes up for failures before it", () => {
  const clock = new FakeClock();
  const reconnect = new Reconnect(clock, () => 0.999);
  for (let round = 0; round < 8; round++) reconnect.delayMs(LOSS);
  reconnect.connected();
  clock.advance(10_000);
  assert(reconnect.delayMs(LOSS) < 4000);
});

Deno.test("nobody comes back before Retry-After, nor all together after it", () => {
  const delays = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const delayMs = connectedFor(60_000, seed).delayMs({ ...LOSS, retryAfterMs: 7000 });
    assert(delayMs >= 7000 && delayMs <= 7500);
    delays.add(delayMs);
  }
  assert(delays.size > 90);
});
