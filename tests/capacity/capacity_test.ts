import assert from "node:assert/strict";
import { capacityOf, defaultMaxSessions } from "../../src/capacity/capacity.ts";
import { RELAY_COST } from "../../src/capacity/session_cost.ts";

const HEAP = 4_000_000_000;

for (
  const { name, openFiles, memoryBytes, expected } of [
    // 1024 - 32 for the node - 103 spare; memory: (0.9 × 8e9 - 0.12e9) / each; heap: 3.585e9 / each.
    {
      name: "open files bind what comes over TCP",
      openFiles: 1024,
      memoryBytes: 8e9,
      expected: { webtransport: 42_909, websocket: 889, sse: 444 },
    },
    {
      name: "memory binds where there are files enough",
      openFiles: 1_000_000,
      memoryBytes: 1e9,
      expected: { webtransport: 4727, websocket: 22_285, sse: 9397 },
    },
    {
      name: "V8's heap binds a large machine",
      openFiles: Infinity,
      memoryBytes: 1e12,
      expected: { webtransport: 55_153, websocket: 717_000, sse: 448_125 },
    },
    {
      name: "what cannot be read binds nothing",
      openFiles: undefined,
      memoryBytes: undefined,
      expected: { webtransport: 55_153, websocket: 717_000, sse: 448_125 },
    },
    {
      name: "a machine too small carries none",
      openFiles: 40,
      memoryBytes: 100e6,
      expected: { webtransport: 0, websocket: 0, sse: 0 },
    },
  ]
) {
  Deno.test(`capacityOf(): ${name}`, () => {
    const { sessions } = capacityOf({ openFiles, memoryBytes, heapBytes: HEAP });
    assert.deepEqual(sessions, expected);
  });
}

for (
  const [name, memoryBytes, expected] of [
    ["what the memory holds, whatever the open files", 1e9, 22_285],
    ["no more than 50,000", 1e12, 50_000],
    ["one at least, so that a small machine starts", 50e6, 1],
  ] as const
) {
  Deno.test(`defaultMaxSessions() is ${name}`, () => {
    const capacity = capacityOf({ openFiles: 64, memoryBytes, heapBytes: HEAP });
    assert.equal(defaultMaxSessions(capacity), expected);
  });
}

Deno.test("capacityOf() counts three files for a connection that is relayed", () => {
  const limits = { openFiles: 1024, memoryBytes: 8e9, heapBytes: HEAP };
  const { sessions } = capacityOf(limits, RELAY_COST);
  assert.deepEqual(sessions, { ...capacityOf(limits).sessions, websocket: 296, sse: 148 });
  const inMemory = { ...limits, openFiles: Infinity, memoryBytes: 1e9 };
  assert.equal(defaultMaxSessions(capacityOf(inMemory, RELAY_COST)), 13_000);
});
