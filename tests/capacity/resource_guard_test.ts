import assert from "node:assert/strict";
import { capacityOf } from "../../src/capacity/capacity.ts";
import { ResourceGuard } from "../../src/capacity/resource_guard.ts";
import { FakeClock } from "../fake_clock.ts";

// 64 - 32 for the node - 16 spare: 16 files for sessions.
const LIMITS = { openFiles: 64, memoryBytes: 1e9, heapBytes: 500e6 };

function setUp({ maxSessions = 1000 } = {}) {
  const clock = new FakeClock();
  const told: string[] = [];
  const memory = { rss: 100e6, heapUsed: 20e6 };
  const guard = new ResourceGuard({
    capacity: capacityOf(LIMITS),
    maxSessions,
    measure: () => ({ ...memory }),
    clock,
    onNear: (message) => told.push(message),
  });
  return { clock, told, memory, guard };
}

Deno.test("ResourceGuard refuses TCP at the last file for sessions, and takes it up again", () => {
  const { guard } = setUp();
  for (let taken = 0; taken < 16; taken++) {
    assert.equal(guard.hasRoom(true), true);
    guard.take("websocket", true);
  }
  assert.equal(guard.hasRoom(true), false);
  assert.equal(guard.hasRoom(false), true);
  guard.release("websocket", true);
  assert.equal(guard.hasRoom(true), true);
});

Deno.test("ResourceGuard counts no file for what shares the UDP socket", () => {
  const { guard } = setUp();
  for (let taken = 0; taken < 100; taken++) guard.take("webtransport", false);
  for (let taken = 0; taken < 100; taken++) guard.take("sse", false);
  assert.equal(guard.hasRoom(true), true);
});

Deno.test("ResourceGuard counts two files for SSE over TCP", () => {
  const { guard } = setUp();
  for (let taken = 0; taken < 8; taken++) guard.take("sse", true);
  assert.equal(guard.hasRoom(true), false);
  guard.release("sse", true);
  assert.equal(guard.hasRoom(true), true);
});

for (const [name, above] of [["rss", 900e6], ["heapUsed", 450e6]] as const) {
  Deno.test(`ResourceGuard refuses while ${name} is above nine tenths of its limit`, () => {
    const { clock, memory, guard } = setUp();
    const before = memory[name];
    assert.equal(guard.hasRoom(false), true);
    memory[name] = above;
    // It looks once a second.
    assert.equal(guard.hasRoom(false), true);
    clock.advance(1000);
    assert.equal(guard.hasRoom(false), false);
    assert.equal(guard.hasRoom(true), false);
    memory[name] = before;
    clock.advance(1000);
    assert.equal(guard.hasRoom(false), true);
  });
}

Deno.test("ResourceGuard tells once of each limit that is four fifths taken", () => {
  const { clock, told, memory, guard } = setUp({ maxSessions: 20 });
  for (let taken = 0; taken < 12; taken++) guard.take("websocket", true);
  assert.deepEqual(told, []);
  guard.take("websocket", true);
  assert.deepEqual(told, [
    "13 open files are taken of the 16 that sessions may have (of 64 in all): " +
    "at the limit new ones are refused",
  ]);
  guard.release("websocket", true);
  guard.take("websocket", true);
  assert.equal(told.length, 1);

  for (let taken = 13; taken < 16; taken++) guard.take("webtransport", false);
  assert.match(told[1]!, /^16 transports are taken of the 20 .*\(by admission\.maxSessions\)/);

  memory.rss = 720e6;
  memory.heapUsed = 360e6;
  for (let second = 0; second < 3; second++) {
    clock.advance(1000);
    guard.hasRoom(false);
  }
  assert.match(told[2]!, /^720 MB of memory are taken of the 900 /);
  assert.match(told[3]!, /^360 MB of heap are taken of the 450 /);
  assert.equal(told.length, 4);
});
