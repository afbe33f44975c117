import assert from "node:assert/strict";
import { seededRandom } from "../../src/policy/random.ts";
import { FakeClock } from "../fake_clock.ts";
import { LossyPath } from "./lossy_path.ts";

function packet(protocol: number, mark: number): Uint8Array {
  const bytes = new Uint8Array(21);
  bytes[9] = protocol;
  bytes[20] = mark;
  return bytes;
}

const TCP = 6;
const UDP = 17;

function open() {
  const clock = new FakeClock();
  const arrived: [atMs: number, mark: number][] = [];
  const path = new LossyPath(
    clock,
    seededRandom(1),
    (bytes) => arrived.push([clock.now() - 1000, bytes[20]!]),
  );
  return { clock, path, arrived };
}

Deno.test("every packet takes the same time, in order", () => {
  const { clock, path, arrived } = open();
  path.conditions = { delayMs: 25, loss: 0, blocked: [] };
  path.send(packet(UDP, 1));
  clock.advance(10);
  path.send(packet(TCP, 2));
  clock.advance(100);
  assert.deepEqual(arrived, [[25, 1], [35, 2]]);
});

Deno.test("as many packets are lost as was said, and no others arrive late", () => {
  const { clock, path, arrived } = open();
  path.conditions = { delayMs: 25, loss: 0.05, blocked: [] };
  for (let i = 0; i < 10_000; i++) {
    path.send(packet(i % 2 === 0 ? TCP : UDP, 0));
    clock.advance(1);
  }
  clock.advance(25);
  assert.equal(arrived.length, path.counts.carried);
  assert.equal(path.counts.carried + path.counts.lost, 10_000);
  assert.ok(Math.abs(path.counts.lost - 500) < 60, `${path.counts.lost} of 10000`);
});

Deno.test("what is blocked is lost, and the other protocol passes", () => {
  const { clock, path, arrived } = open();
  path.conditions = { delayMs: 1, loss: 0, blocked: ["udp"] };
  path.send(packet(UDP, 1));
  path.send(packet(TCP, 2));
  clock.advance(1);
  assert.deepEqual(arrived, [[1, 2]]);
  assert.deepEqual(path.counts, { carried: 1, lost: 1 });
});
