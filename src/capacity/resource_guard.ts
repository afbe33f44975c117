import type { Clock } from "../policy/clock.ts";
import type { TransportKind } from "../transport/transport.ts";
import { type Capacity, USABLE } from "./capacity.ts";

/** What a {@linkcode ResourceGuard} needs. */
export interface ResourceGuardOptions {
  readonly capacity: Capacity;
  /** Most transports at once, in count: for the warning alone, the admission sees to it. */
  readonly maxSessions: number;
  /** What this process takes at the moment, in bytes. */
  readonly measure: () => { readonly rss: number; readonly heapUsed: number };
  readonly clock: Clock;
  /** Told once of each limit of which 80 % are taken: a sentence without a final period. */
  readonly onNear: (message: string) => void;
}

/**
 * Refuses new transports before the process has no more open files or memory, which would not
 * refuse but break it: a TCP listener without files ends, a heap without memory ends the process.
 *
 * Open files are counted. Memory is looked at, because queues and history take more than sessions
 * do, and they vary.
 */
export class ResourceGuard {
  readonly #options: ResourceGuardOptions;
  readonly #told = new Set<string>();
  #transports = 0;
  #descriptors = 0;
  #measuredAtMs = -Infinity;
  #enoughMemory = true;

  constructor(options: ResourceGuardOptions) {
    this.#options = options;
  }

  /** Whether there is what one more transport needs; over TCP that is an open file too. */
  hasRoom(overTcp: boolean): boolean {
    if (overTcp && this.#descriptors >= this.#options.capacity.share.descriptors) return false;
    return this.#hasMemory();
  }

  /** Counts a transport that is open. */
  take(kind: TransportKind, overTcp: boolean): void {
    const { capacity: { limits, share }, maxSessions } = this.#options;
    this.#transports++;
    if (overTcp) this.#descriptors += this.#options.capacity.cost[kind].descriptors;
    this.#warn("open files", this.#descriptors, share.descriptors, `of ${limits.openFiles} in all`);
    this.#warn("transports", this.#transports, maxSessions, "by admission.maxSessions");
  }

  /** Counts a transport that has ended, as {@linkcode ResourceGuard.take} counted it. */
  release(kind: TransportKind, overTcp: boolean): void {
    this.#transports--;
    if (overTcp) this.#descriptors -= this.#options.capacity.cost[kind].descriptors;
  }

  #hasMemory(): boolean {
    const { capacity: { limits }, clock, measure } = this.#options;
    const nowMs = clock.now();
    if (nowMs - this.#measuredAtMs < MEASURE_INTERVAL_MS) return this.#enoughMemory;
    this.#measuredAtMs = nowMs;
    const { rss, heapUsed } = measure();
    const { memoryBytes = Infinity, heapBytes } = limits;
    this.#enoughMemory = rss < memoryBytes * USABLE && heapUsed < heapBytes * USABLE;
    this.#warn("MB of memory", rss / MB, memoryBytes * USABLE / MB, "by RAM or cgroup");
    this.#warn("MB of heap", heapUsed / MB, heapBytes * USABLE / MB, "by --max-old-space-size");
    return this.#enoughMemory;
  }

  #warn(what: string, taken: number, limit: number, source: string): void {
    if (taken < limit * NEAR || this.#told.has(what)) return;
    this.#told.add(what);
    this.#options.onNear(
      `${Math.round(taken)} ${what} are taken of the ${Math.floor(limit)} that sessions may have ` +
        `(${source}): at the limit new ones are refused`,
    );
  }
}

const MB = 1e6;

/** Part of a limit at which an operator should know. */
const NEAR = 0.8;

/** Looking takes a system call and a walk over the heap's spaces: not for each of a storm. */
const MEASURE_INTERVAL_MS = 1000;
