import assert from "node:assert/strict";
import { capacityOf } from "../../src/capacity/capacity.ts";
import { ResourceGuard } from "../../src/capacity/resource_guard.ts";
import { Admission } from "../../src/policy/admission.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { Door, type Guest, Visit } from "../../src/server/door.ts";
import type { Listening } from "../../src/server/tcp_listener.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { FakeClock } from "../fake_clock.ts";

/** Notes what it is told, and does nothing. */
class Note implements Guest {
  readonly drains: number[] = [];
  closes = 0;

  drain(delayMs: number): void {
    this.drains.push(delayMs);
  }
  receive(): void {}
  alive(): void {}
  drained(): void {}
  closed(): void {
    this.closes++;
  }
}

// The door hands a transport on and looks at nothing but its kind.
const TRANSPORT = { kind: "websocket" } as Transport;
const LOST = { code: 3004, reason: "" };

function setUp(maxSessions = 100, openFiles = 1024) {
  const clock = new FakeClock();
  const random = seededRandom(1);
  const guests: Note[] = [];
  const door = new Door({
    admission: new Admission({ maxSessions }, clock, random),
    guard: new ResourceGuard({
      capacity: capacityOf({ openFiles, memoryBytes: undefined, heapBytes: 1e9 }),
      maxSessions,
      measure: () => ({ rss: 0, heapUsed: 0 }),
      clock,
      onNear() {},
    }),
    accept() {
      const guest = new Note();
      guests.push(guest);
      return guest;
    },
    ratePerSecond: 10,
    clock,
    random,
  });
  const enter = (listening?: Listening): Visit => {
    const visit = door.enter({ address: "192.0.2.1", exempt: false }, undefined, listening);
    assert.ok(visit.admitted);
    visit.accept(TRANSPORT);
    return visit;
  };
  return { clock, door, guests, enter };
}

Deno.test("Door accepts nothing for whom there is no place", () => {
  const { door, guests, enter } = setUp(1);
  const visit = enter();
  assert.deepEqual(pick(door.enter({ address: "192.0.2.2", exempt: false }, undefined)), {
    admitted: false,
    reason: "total",
  });
  assert.equal(guests.length, 1);
  visit.closed(LOST);
  assert.equal(guests[0]!.closes, 1);
  assert.equal(door.enter({ address: "192.0.2.2", exempt: false }, undefined).admitted, true);
});

Deno.test("a socket that lingers keeps its place, but no longer than it lasts", async () => {
  const { door, guests, enter } = setUp(1);
  const visit = enter();
  const socket = Promise.withResolvers<void>();
  visit.closed(LOST, socket.promise);
  assert.equal(guests[0]!.closes, 1);
  await door.emptied();
  assert.equal(door.lingering, 1);
  assert.equal(door.enter({ address: "192.0.2.2", exempt: false }, undefined).admitted, false);
  socket.resolve();
  await socket.promise;
  assert.equal(door.lingering, 0);
  assert.equal(door.enter({ address: "192.0.2.2", exempt: false }, undefined).admitted, true);
});

Deno.test("Door gets a place back that no transport came for, once", () => {
  const { door } = setUp(1);
  const visit = door.enter({ address: "192.0.2.1", exempt: false }, undefined);
  assert.ok(visit instanceof Visit);
  visit.abandon();
  visit.abandon();
  assert.equal(door.enter({ address: "192.0.2.1", exempt: false }, undefined).admitted, true);
  assert.equal(door.enter({ address: "192.0.2.1", exempt: false }, undefined).admitted, false);
});

Deno.test("Door keeps the place of a transport that came, whatever follows", () => {
  const { door, enter } = setUp(1);
  enter().abandon();
  assert.equal(door.enter({ address: "192.0.2.1", exempt: false }, undefined).admitted, false);
});

Deno.test("Door lets nobody in once it is shut, and says when the last has left", async () => {
  const { door, enter } = setUp();
  const visits = [enter(), enter()];
  door.shut();
  assert.equal(door.enter({ address: "192.0.2.1", exempt: false }, undefined).admitted, false);
  let empty = false;
  const emptied = door.emptied().then(() => empty = true);
  visits[0]!.closed(LOST);
  await Promise.resolve();
  assert.equal(empty, false);
  visits[1]!.closed(LOST);
  await emptied;
  await door.emptied();
});

Deno.test("Door spreads those of a replaced socket over the time they need to come back", () => {
  const { clock, door, guests, enter } = setUp();
  const old = { current: false, transports: 0 };
  for (let count = 0; count < 20; count++) enter(old);
  enter({ current: true, transports: 0 });
  enter();
  let done = false;
  door.sendReplacedAway(() => done = true);
  const delays = guests.flatMap(({ drains }) => drains);
  assert.equal(delays.length, 20);
  // 20 clients at 10 a second, and a quarter more.
  assert.ok(delays.every((delayMs) => delayMs >= 0 && delayMs <= 2500));
  assert.equal(new Set(delays).size, 20);
  clock.advance(Math.max(...delays));
  assert.equal(done, false);
  clock.advance(1000);
  assert.equal(done, true);
});

Deno.test("Door lets nobody in over TCP without a file left, and counts who came through a socket", () => {
  // 64 - 32 for the node - 16 spare: 16 files for sessions.
  const { door, enter } = setUp(100, 64);
  const socket = { current: true, transports: 0 };
  const visits = Array.from({ length: 16 }, () => enter(socket));
  assert.equal(socket.transports, 16);
  const refused = door.enter({ address: "192.0.2.2", exempt: false }, undefined, socket);
  assert.deepEqual(pick(refused), { admitted: false, reason: "total" });
  // UDP has one for all.
  enter();
  visits[0]!.closed(LOST);
  assert.equal(socket.transports, 15);
  enter(socket);
});

Deno.test("Door plans nothing any more once it is shut", () => {
  const { clock, door, enter } = setUp();
  enter({ current: false, transports: 0 });
  door.sendReplacedAway(() => assert.fail("It is shut"));
  door.shut();
  assert.equal(clock.pendingTimers, 0);
  door.sendReplacedAway(() => assert.fail("It is shut"));
  assert.equal(clock.pendingTimers, 0);
});

function pick(answer: ReturnType<Door["enter"]>) {
  assert.ok(!answer.admitted);
  return { admitted: answer.admitted, reason: answer.reason };
}
