import type { Clock } from "../policy/clock.ts";
import { messageOf } from "./errors.ts";
import { Timer } from "./timer.ts";
import type { TransportKind } from "./transports/transport.ts";

/** A transport that was preferred to the one in use, and why it is not in use. */
export interface Fallback {
  readonly transport: TransportKind;
  readonly reason: string;
}

/** Every transport of a race failed; `failures` says how each did. */
export class RaceLostError extends Error {
  override readonly name = "RaceLostError";
  readonly failures: readonly Fallback[];

  constructor(failures: readonly Fallback[], cause: unknown) {
    const reasons = failures.map(({ transport, reason }) => `${transport}: ${reason}`);
    super(`No transport could be opened: ${reasons.join("; ") || "none to try"}`, { cause });
    this.failures = failures;
  }
}

/** What takes part in a race, and in which order. */
export interface RaceOptions<T> {
  readonly candidates: readonly TransportKind[];
  open(kind: TransportKind, signal: AbortSignal): Promise<T>;
  /** Closes what was opened too late to win. */
  abandon(opened: T): void;
  readonly clock: Clock;
  /** Ends the whole race. */
  readonly signal: AbortSignal;
}

/** The winner, and how those that failed before it did. */
export interface RaceResult<T> {
  readonly winner: T;
  readonly failures: readonly Fallback[];
}

/**
 * Opens the candidates one after the other, each with a head start over the next, which begins at
 * once if the one before fails. The first that is open wins; the others are aborted.
 *
 * Rejects with a {@linkcode RaceLostError} if all fail, or with the reason of the signal.
 */
export function race<T>(
  { candidates, open, abandon, clock, signal }: RaceOptions<T>,
): Promise<RaceResult<T>> {
  return new Promise((resolve, reject) => {
    /** What ends each attempt. */
    const running = new Map<TransportKind, (reason: unknown) => void>();
    const failures: Fallback[] = [];
    const headStart = new Timer(clock);
    let started = 0;

    function start(lastError?: unknown): void {
      headStart.stop();
      const kind = candidates[started++];
      if (kind !== undefined) return run(kind);
      if (running.size > 0) return;
      finish(lastError);
      reject(new RaceLostError(failures, lastError));
    }

    function run(kind: TransportKind): void {
      const controller = new AbortController();
      const timeout = new Timer(clock);
      const fail = (error: unknown) => {
        if (!running.delete(kind)) return;
        stop(error);
        failures.push({ transport: kind, reason: messageOf(error) });
        start(error);
      };
      const stop = (reason: unknown) => {
        timeout.stop();
        controller.abort(reason);
      };
      running.set(kind, stop);
      timeout.start(
        OPEN_TIMEOUT_MS,
        () => fail(new Error(`Not open after ${OPEN_TIMEOUT_MS / 1000} s`)),
      );
      const next = candidates[started];
      if (next !== undefined) {
        headStart.start(next === "sse" ? SSE_HEAD_START_MS : HEAD_START_MS, start);
      }
      open(kind, controller.signal).then((winner) => {
        if (!running.delete(kind)) return abandon(winner);
        timeout.stop();
        finish(new Error("Another transport was open first"));
        resolve({ winner, failures });
      }, fail);
    }

    function abort(): void {
      finish(signal.reason);
      reject(signal.reason);
    }

    function finish(reason: unknown): void {
      signal.removeEventListener("abort", abort);
      headStart.stop();
      for (const stop of running.values()) stop(reason);
      running.clear();
    }

    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    start();
  });
}

/** A QUIC handshake takes one round trip less than TCP with TLS: on most paths this is enough. */
const HEAD_START_MS = 200;

/** SSE costs the server most and works wherever a WebSocket would: it waits for a clear failure. */
const SSE_HEAD_START_MS = 2000;

/** A path that has lost several packets in a row still opens within this. */
const OPEN_TIMEOUT_MS = 10_000;
