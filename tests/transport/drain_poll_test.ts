import assert from "node:assert/strict";
import { DrainPoll } from "../../src/transport/drain_poll.ts";
import { FakeClock } from "../fake_clock.ts";

class Full {
  asked = 0;
  drained = false;

  pollDrained(): boolean {
    this.asked++;
    return this.drained;
  }
}

Deno.test("what is full is asked on one timer until it has drained", () => {
  const clock = new FakeClock();
  const poll = new DrainPoll(clock);
  const [a, b] = [new Full(), new Full()];
  poll.add(a);
  poll.add(b);
  assert.equal(clock.pendingTimers, 1);
  clock.advance(10);
  a.drained = true;
  clock.advance(10);
  clock.advance(10);
  assert.deepEqual([a.asked, b.asked], [2, 3]);
  b.drained = true;
  clock.advance(10);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("what is removed is not asked again, and the last one takes the timer with it", () => {
  const clock = new FakeClock();
  const poll = new DrainPoll(clock);
  const full = new Full();
  poll.add(full);
  poll.remove(full);
  assert.equal(clock.pendingTimers, 0);
  poll.add(full);
  clock.advance(10);
  assert.equal(full.asked, 1);
  poll.remove(full);
});

Deno.test("one that throws does not end the asking of the others", () => {
  const clock = new FakeClock();
  const poll = new DrainPoll(clock);
  const broken = {
    pollDrained(): boolean {
      poll.remove(broken);
      throw new Error("a bug");
    },
  };
  const full = new Full();
  poll.add(broken);
  poll.add(full);
  assert.throws(() => clock.advance(10), /a bug/);
  clock.advance(10);
  assert.equal(full.asked, 1);
  poll.remove(full);
});
