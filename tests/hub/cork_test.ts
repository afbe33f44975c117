import assert from "node:assert/strict";
import { Cork, type Corked } from "../../src/hub/cork.ts";
import { FakeClock } from "../fake_clock.ts";

class Counter implements Corked {
  corked = false;
  flushes = 0;
  readonly #onFlush: (() => void) | undefined;

  constructor(onFlush?: () => void) {
    this.#onFlush = onFlush;
  }

  flush(): void {
    this.flushes++;
    this.#onFlush?.();
  }
}

function setUp() {
  const clock = new FakeClock();
  const turns: (() => void)[] = [];
  const cork = new Cork({ clock, schedule: (callback) => turns.push(callback) });
  return { clock, turns, cork };
}

Deno.test("a cork flushes each once a turn, however often it was added", () => {
  const { turns, cork } = setUp();
  const counters = [new Counter(), new Counter()];
  for (let at = 0; at < 3; at++) for (const counter of counters) cork.add(counter);
  assert.equal(turns.length, 1);
  turns.shift()!();
  assert.deepEqual(counters.map(({ flushes }) => flushes), [1, 1]);
  assert.equal(turns.length, 0);
  cork.add(counters[0]!);
  turns.shift()!();
  assert.equal(counters[0]!.flushes, 2);
});

Deno.test("what a flush adds waits for the next turn", () => {
  const { turns, cork } = setUp();
  const second = new Counter();
  const first = new Counter(() => {
    cork.add(first);
    cork.add(second);
  });
  cork.add(first);
  turns.shift()!();
  assert.deepEqual([first.flushes, second.flushes], [1, 0]);
  turns.shift()!();
  assert.deepEqual([first.flushes, second.flushes], [2, 1]);
});

Deno.test("a long flush yields to the next turn after its slice, and loses nobody", () => {
  const { clock, turns, cork } = setUp();
  const counters = Array.from({ length: 100 }, () => new Counter(() => clock.suspend(1)));
  for (const counter of counters) cork.add(counter);
  let slices = 0;
  while (turns.length > 0) {
    turns.shift()!();
    slices++;
  }
  assert.equal(slices, Math.ceil(100 / 16));
  assert(counters.every(({ flushes }) => flushes === 1));
});

Deno.test("a cork uses the event loop's own turn by default", async () => {
  const cork = new Cork({ clock: new FakeClock() });
  await new Promise<void>((resolve) => cork.add(new Counter(resolve)));
});
