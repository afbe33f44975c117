import assert from "node:assert/strict";
import { RefusalLog } from "../../src/server/refusal_log.ts";
import { FakeClock } from "../fake_clock.ts";

Deno.test("RefusalLog logs ten at once, then one in ten seconds, and says how many it left out", () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = new RefusalLog(({ level, message }) => lines.push(`${level}: ${message}`), clock);
  for (let number = 1; number <= 1010; number++) log.warn(`Refused: ${number}`);
  assert.equal(lines.length, 10);
  assert.equal(lines[9], "warn: Refused: 10");
  clock.advance(9999);
  log.warn("Refused: still too soon");
  assert.equal(lines.length, 10);
  clock.advance(1);
  log.warn("Refused: again");
  assert.deepEqual(lines.slice(10), [
    "warn: Refused: again; 1001 warnings before it were not logged",
  ]);
  clock.advance(60_000);
  log.warn("Refused: after a quiet spell");
  assert.equal(lines.at(-1), "warn: Refused: after a quiet spell");
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("RefusalLog leaves a day's flood in ten thousand lines", () => {
  const clock = new FakeClock();
  let lines = 0;
  const log = new RefusalLog(() => lines++, clock);
  for (let second = 0; second < 86_400; second++) {
    for (let turn = 0; turn < 3; turn++) log.warn("Refused");
    clock.advance(1000);
  }
  assert.ok(lines < 8700, `${lines}`);
});
