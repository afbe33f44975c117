import type { Clock } from "../policy/clock.ts";
import { HeartbeatHandle, type HeartbeatWheel } from "../policy/heartbeat.ts";
import type { Random } from "../policy/random.ts";
import type { Connected } from "../protocol/message.ts";
import { Timer } from "./timer.ts";

/** What a {@linkcode Watch} does over its link. */
export interface WatchedServer {
  ping(id: number): void;
  /** The server did not answer in time. */
  dead(reason: string): void;
}

/** Watches whether the server answers over one link: `connect`, then pings. */
export class Watch {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #server: WatchedServer;
  /** Until an answer is overdue: to `connect`, or to the ping of a probe. */
  readonly #overdue: Timer;
  /** Once the server has answered `connect`. */
  #heartbeat: HeartbeatHandle | undefined;

  constructor(clock: Clock, random: Random, server: WatchedServer) {
    this.#clock = clock;
    this.#random = random;
    this.#server = server;
    this.#overdue = new Timer(clock);
  }

  /** Smoothed round-trip time in milliseconds; `undefined` before it was measured. */
  get rttMs(): number | undefined {
    return this.#heartbeat?.rtt.smoothedMs;
  }

  /** A `connect` leaves. */
  connecting(): void {
    this.#expect(CONNECT_TIMEOUT_MS, "The server did not answer connect");
  }

  /** The server has answered `connect`, and said how it wants to be watched. */
  connected({ pingIntervalMs, pingMisses }: Connected): void {
    this.#overdue.stop();
    const timer = new Timer(this.#clock);
    const wheel: HeartbeatWheel = {
      clock: this.#clock,
      granularityMs: 1,
      schedule: (entry, delayMs) => timer.start(delayMs, () => entry.onDue()),
      cancel: () => timer.stop(),
    };
    const settings = {
      intervalMs: pingIntervalMs && Math.max(pingIntervalMs, MIN_PING_INTERVAL_MS),
      misses: Math.max(pingMisses, 1),
      wheel,
      random: this.#random,
    };
    this.#heartbeat = new HeartbeatHandle(settings, {
      ping: (id) => this.#server.ping(id),
      dead: () => this.#server.dead(SILENT),
    });
    this.ping();
  }

  /** Something came in. */
  arrived(): void {
    if (this.#heartbeat === undefined) return;
    this.#heartbeat.touch();
    this.#overdue.stop();
  }

  /** Measures the round-trip time; only once connected. */
  ping(): void {
    this.#heartbeat?.ping();
  }

  /** Takes the answer to a ping. */
  pong(id: number): void {
    this.#heartbeat?.pong(id);
  }

  /** Asks whether the server is still there, and wants to know soon; only once connected. */
  probe(): void {
    if (this.#overdue.running) return;
    this.#expect(PROBE_TIMEOUT_MS, SILENT);
    this.ping();
  }

  /** Ends the watch; idempotent. */
  stop(): void {
    this.#heartbeat?.stop();
    this.#overdue.stop();
  }

  #expect(ms: number, reason: string): void {
    this.#overdue.start(ms, () => this.#server.dead(reason));
  }
}

const SILENT = "The server does not answer";

/** As long as a server waits for a `connect` by default. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Many times any round trip: a radio that wakes up takes a second or two. */
const PROBE_TIMEOUT_MS = 5000;

/** Four times the granularity of a timer, as a heartbeat needs it. */
const MIN_PING_INTERVAL_MS = 4;
