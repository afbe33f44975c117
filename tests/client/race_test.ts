import assert from "node:assert/strict";
import { race, RaceLostError } from "../../src/client/race.ts";
import type { TransportKind } from "../../src/client/transports/transport.ts";
import { FakeClock, settle } from "../fake_clock.ts";

type Outcome = { at: number; fails?: string };

/** Runs a race in which each candidate opens or fails after a time; `undefined`: never. */
function run(outcomes: { [Kind in TransportKind]?: Outcome }, candidates: TransportKind[]) {
  const clock = new FakeClock(0);
  const started: [TransportKind, number][] = [];
  const aborted: TransportKind[] = [];
  const abandoned: TransportKind[] = [];
  const controller = new AbortController();
  const result = race<TransportKind>({
    candidates,
    clock,
    signal: controller.signal,
    abandon: (kind) => abandoned.push(kind),
    open: (kind, signal) => {
      started.push([kind, clock.now()]);
      signal.addEventListener("abort", () => aborted.push(kind));
      const outcome = outcomes[kind];
      if (outcome === undefined) return new Promise(() => {});
      return new Promise((resolve, reject) => {
        clock.setTimeout(() => {
          if (outcome.fails === undefined) resolve(kind);
          else reject(new Error(outcome.fails));
        }, outcome.at);
      });
    },
  });
  result.catch(() => {});
  return { clock, started, aborted, abandoned, result, controller };
}

const ALL: TransportKind[] = ["webtransport", "websocket", "sse"];

Deno.test("the first candidate wins alone if it opens within its head start", async () => {
  const { clock, started, result } = run({ webtransport: { at: 150 } }, ALL);
  await clock.advanceAsync(10_000);
  assert.deepEqual(await result, { winner: "webtransport", failures: [] });
  assert.deepEqual(started, [["webtransport", 0]]);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a WebSocket opens 200 ms after a WebTransport that is silent", async () => {
  const { clock, started, aborted, result } = run({ websocket: { at: 100 } }, ALL);
  await clock.advanceAsync(300);
  assert.deepEqual(await result, { winner: "websocket", failures: [] });
  assert.deepEqual(started, [["webtransport", 0], ["websocket", 200]]);
  assert.deepEqual(aborted, ["webtransport"]);
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a candidate that fails lets the next one start at once", async () => {
  const outcomes = {
    webtransport: { at: 10, fails: "no UDP" },
    websocket: { at: 10, fails: "refused" },
    sse: { at: 10 },
  };
  const { clock, started, result } = run(outcomes, ALL);
  await clock.advanceAsync(40);
  assert.deepEqual(started, [["webtransport", 0], ["websocket", 10], ["sse", 20]]);
  assert.deepEqual((await result).failures, [
    { transport: "webtransport", reason: "no UDP" },
    { transport: "websocket", reason: "refused" },
  ]);
});

Deno.test("SSE waits 2 s for a silent WebSocket", async () => {
  const { clock, started, result } = run({ sse: { at: 1 } }, ALL);
  await clock.advanceAsync(2500);
  assert.deepEqual(started, [["webtransport", 0], ["websocket", 200], ["sse", 2200]]);
  assert.equal((await result).winner, "sse");
});

Deno.test("a candidate that opens after another has won is abandoned", async () => {
  const { clock, abandoned, result } = run(
    { webtransport: { at: 400 }, websocket: { at: 50 } },
    ALL,
  );
  await clock.advanceAsync(500);
  assert.equal((await result).winner, "websocket");
  assert.deepEqual(abandoned, ["webtransport"]);
});

Deno.test("a race that all lose says how each did, the silent ones after 10 s", async () => {
  const { clock, result } = run({ websocket: { at: 1, fails: "refused" } }, [
    "webtransport",
    "websocket",
  ]);
  await clock.advanceAsync(10_000);
  await assert.rejects(result, (error) => {
    assert(error instanceof RaceLostError);
    assert.deepEqual(error.failures, [
      { transport: "websocket", reason: "refused" },
      { transport: "webtransport", reason: "Not open after 10 s" },
    ]);
    return true;
  });
  assert.equal(clock.pendingTimers, 0);
});

Deno.test("a race that is aborted opens nothing more", async () => {
  const { clock, started, aborted, result, controller } = run({}, ALL);
  controller.abort(new Error("enough"));
  await assert.rejects(result, /enough/);
  await clock.advanceAsync(10_000);
  await settle();
  assert.deepEqual(started, [["webtransport", 0]]);
  assert.deepEqual(aborted, ["webtransport"]);
  assert.equal(clock.pendingTimers, 0);
});
