import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { RttEstimator } from "../policy/rtt.ts";
import type { Connected } from "../protocol/message.ts";
import { ServerTime } from "./server_time.ts";
import { Timer } from "./timer.ts";

/** What a {@linkcode Watch} does over its link. */
export interface WatchedServer {
  ping(id: number): void;
  /** The server did not answer in time. */
  dead(reason: string): void;
}

/**
 * Watches whether the server answers over one link: `connect`, then pings.
 *
 * - Anything that comes in counts as life. A quiet server gets its first ping after an interval and
 *   up to a quarter of it more, by chance: a channel's subscribers fall quiet together and must not
 *   ping together. The next follow one interval apart.
 * - A dead server is found at the latest `pingIntervalMs × (pingMisses + 1)` after it was last heard.
 * - A client that was suspended grants the server one interval more, once: what it sent may wait
 *   unread.
 */
export class Watch {
  /** The round-trip times so far. */
  readonly rtt = new RttEstimator();
  /** The server's clock, as far as it is known. */
  readonly serverTime = new ServerTime();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #server: WatchedServer;
  /** Until an answer is overdue: to `connect`, or to the ping of a probe. */
  readonly #overdue: Timer;
  /** Until the server has been quiet for so long that something is to be done. */
  readonly #quiet: Timer;
  #connected: Connected | undefined;
  #heardMs = 0;
  /** How long the server may be quiet before it is pinged. */
  #quietMs = 0;
  #dueMs = 0;
  #unanswered = 0;
  #graceUsed = false;
  #pingId = 0;
  /** When the newest ping left; `undefined` once its pong is in. */
  #pingSentMs: number | undefined;

  constructor(clock: Clock, random: Random, server: WatchedServer) {
    this.#clock = clock;
    this.#random = random;
    this.#server = server;
    this.#overdue = new Timer(clock);
    this.#quiet = new Timer(clock);
  }

  /** Smoothed round-trip time in milliseconds; `undefined` before it was measured. */
  get rttMs(): number | undefined {
    return this.rtt.smoothedMs;
  }

  /** A `connect` leaves. */
  connecting(): void {
    this.#expect(CONNECT_TIMEOUT_MS, "The server did not answer connect");
  }

  /** The server has answered `connect`, and said how it wants to be watched. */
  connected(connected: Connected): void {
    this.#connected = connected;
    this.arrived();
    this.ping();
    this.#quietMs = connected.pingIntervalMs * (1 + this.#random() / 4);
    if (this.#quietMs > 0) this.#wait(this.#quietMs);
  }

  /** Something came in. Before `connected()` it is no answer. */
  arrived(): void {
    if (this.#connected === undefined) return;
    this.#heardMs = this.#clock.now();
    this.#unanswered = 0;
    this.#graceUsed = false;
    this.#overdue.stop();
  }

  /** Measures the round-trip time. */
  ping(): void {
    this.#pingId = (this.#pingId + 1) & MAX_PING_ID;
    this.#pingSentMs = this.#clock.now();
    this.#server.ping(this.#pingId);
  }

  /**
   * Takes the answer to a ping, with the server's time, and says whether it has measured: the newest
   * does, once.
   */
  pong(id: number, serverMs?: number): boolean {
    if (id !== this.#pingId || this.#pingSentMs === undefined) return false;
    const nowMs = this.#clock.now();
    const rttMs = nowMs - this.#pingSentMs;
    this.rtt.sample(rttMs);
    if (serverMs !== undefined) this.serverTime.sample(serverMs, rttMs, nowMs);
    this.#pingSentMs = undefined;
    return true;
  }

  /** Asks whether the server is still there, and wants to know soon. */
  probe(): void {
    if (this.#overdue.running) return;
    this.#expect(PROBE_TIMEOUT_MS, SILENT);
    this.ping();
  }

  /** Ends the watch; idempotent. */
  stop(): void {
    this.#overdue.stop();
    this.#quiet.stop();
  }

  #expect(ms: number, reason: string): void {
    this.#overdue.start(ms, () => this.#server.dead(reason));
  }

  #wait(ms: number): void {
    this.#dueMs = this.#clock.now() + ms;
    this.#quiet.start(ms, () => this.#check());
  }

  #check(): void {
    const { pingIntervalMs, pingMisses } = this.#connected!;
    const nowMs = this.#clock.now();
    const leftMs = this.#heardMs + this.#quietMs - nowMs;
    if (leftMs > 0) return this.#wait(leftMs);
    if (nowMs - this.#dueMs > pingIntervalMs / 2 && !this.#graceUsed) this.#graceUsed = true;
    else if (this.#unanswered++ === pingMisses) return this.#server.dead(SILENT);
    // The last answer has what the first ping left of the bound.
    this.#wait(this.#unanswered < pingMisses ? pingIntervalMs : 2 * pingIntervalMs - this.#quietMs);
    // Last, because a ping that finds its transport gone may stop this watch.
    this.ping();
  }
}

const SILENT = "The server does not answer";

/** As long as a server waits for a `connect` by default. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Many times any round trip: a radio that wakes up takes a second or two. */
const PROBE_TIMEOUT_MS = 5000;

/** What four bytes of a varint hold. */
const MAX_PING_ID = 0x3fff_ffff;
