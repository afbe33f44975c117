import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import { RttEstimator } from "./rtt.ts";
import { TimerEntry, type TimerWheel } from "./timer_wheel.ts";

/** When a quiet peer is asked whether it lives, and when it is given up. */
export interface HeartbeatOptions {
  /**
   * How long a peer may be quiet before it is sent a ping, in milliseconds; 0 disables the
   * heartbeat, and a dead peer is then found by its transport alone.
   *
   * @default 20000
   */
  intervalMs?: number;
  /**
   * How many pings in a row may stay unanswered. The peer is dead at the latest
   * `intervalMs × (misses + 1)` after its last traffic.
   *
   * @default 3
   */
  misses?: number;
}

/** What a heartbeat does to the peer it watches. */
export interface HeartbeatPeer {
  /** Sends a ping; `id` (0 to 2^30 - 1, four bytes as a varint) comes back in the pong. */
  ping(id: number): void;
  /** Closes the peer, which answered nothing in time. Called once, after the watch has ended. */
  dead(): void;
}

/**
 * Finds dead peers among a server's clients.
 *
 * - Any inbound traffic counts as life: who talks is never pinged.
 * - A quiet peer gets its first ping after an interval, so that a phone's radio is woken no more
 *   often, and up to a quarter of it later, at random, so that peers that fell quiet together are
 *   not pinged together; the next follow one interval apart. The last ping's answer has the rest of
 *   its interval, at least half of it.
 * - A dead peer is found at the latest `intervalMs × (misses + 1)` after its last traffic.
 * - A process that was suspended (a laptop's lid, a busy event loop) grants the peer one interval
 *   more before it gives it up: what the peer sent may wait unread.
 */
export class Heartbeat {
  /** How long a peer may be quiet, in milliseconds; 0 if disabled. */
  readonly intervalMs: number;
  /** How many pings in a row may stay unanswered. */
  readonly misses: number;
  /** Where the watches wait. */
  readonly wheel: TimerWheel;
  /** What spreads the pings. */
  readonly random: Random;

  /**
   * @throws {RangeError} If `misses` is not a positive integer, or if `intervalMs` is neither 0 nor
   * at least four times the granularity of `wheel`.
   */
  constructor(options: HeartbeatOptions, wheel: TimerWheel, random: Random) {
    const { intervalMs = 20_000, misses = 3 } = options;
    // The last ping may be a quarter late, the end is decided a step early: half is left to answer.
    const least = 4 * wheel.granularityMs;
    if (intervalMs !== 0 && !(intervalMs >= least && intervalMs < Infinity)) {
      throw new RangeError(
        `The heartbeat's intervalMs must be 0 or at least ${least}: ${intervalMs}`,
      );
    }
    if (!Number.isSafeInteger(misses) || misses < 1) {
      throw new RangeError(`The heartbeat's misses must be a positive integer: ${misses}`);
    }
    this.intervalMs = intervalMs;
    this.misses = misses;
    this.wheel = wheel;
    this.random = random;
  }

  /** Watches `peer` from now on, until it is dead or the handle is stopped. */
  watch(peer: HeartbeatPeer): HeartbeatHandle {
    return new HeartbeatHandle(this, peer);
  }
}

/** The watch over one peer: told of what comes in, asked for the round-trip time. */
export class HeartbeatHandle extends TimerEntry {
  /** The round-trip time to the peer, as far as pings have measured it. */
  readonly rtt: RttEstimator = new RttEstimator();
  readonly #heartbeat: Heartbeat;
  readonly #clock: Clock;
  readonly #peer: HeartbeatPeer;
  #lastTrafficMs: number;
  /** The traffic that began the quiet spell which the fields below describe. */
  #spellMs: number;
  /** When onDue() has something to decide. */
  #decisionMs = 0;
  #unanswered = 0;
  #graceUsed = false;
  #pingId = 0;
  /** When the newest ping left, or -1 if its pong is in. */
  #pingSentMs = -1;

  /** Use {@linkcode Heartbeat.watch}. */
  constructor(heartbeat: Heartbeat, peer: HeartbeatPeer) {
    super();
    this.#heartbeat = heartbeat;
    this.#clock = heartbeat.wheel.clock;
    this.#peer = peer;
    this.#lastTrafficMs = this.#clock.now();
    this.#spellMs = this.#lastTrafficMs;
    if (heartbeat.intervalMs > 0) this.#beginSpell(this.#lastTrafficMs);
  }

  /** Notes that something came in: one reading of the clock, no work on timers. */
  touch(): void {
    this.#lastTrafficMs = this.#clock.now();
  }

  /** Sends a ping now, to measure the round-trip time; it does not count as a miss. */
  ping(): void {
    this.#pingId = (this.#pingId + 1) & 0x3fff_ffff;
    this.#pingSentMs = this.#clock.now();
    this.#peer.ping(this.#pingId);
  }

  /**
   * Notes a pong. Any is traffic; only the one to the newest ping measures the round-trip time, and
   * only once.
   */
  pong(id: number): void {
    this.touch();
    if (id !== this.#pingId || this.#pingSentMs < 0) return;
    this.rtt.sample(this.#lastTrafficMs - this.#pingSentMs);
    this.#pingSentMs = -1;
  }

  /** Ends the watch; idempotent. */
  stop(): void {
    this.#heartbeat.wheel.cancel(this);
  }

  /** Called by the wheel. */
  override onDue(): void {
    const { intervalMs, misses, wheel } = this.#heartbeat;
    const nowMs = this.#clock.now();
    if (this.#lastTrafficMs > this.#spellMs && this.#beginSpell(nowMs)) return;
    if (this.#unanswered === misses) {
      const late = nowMs - this.#decisionMs > intervalMs / 2;
      if (!late || this.#graceUsed) return this.#peer.dead();
      this.#graceUsed = true;
    } else {
      this.#unanswered++;
    }
    // The wheel is late by up to one step: the last decision is taken a step before the bound.
    const boundMs = this.#spellMs + intervalMs * (misses + 1) - wheel.granularityMs;
    const nextMs = this.#unanswered === misses ? boundMs : this.#decisionMs + intervalMs;
    this.#decideAt(nextMs > nowMs ? nextMs : nowMs + intervalMs, nowMs);
    // Last, because a ping that finds its transport gone may stop this watch.
    this.ping();
  }

  /** Starts to count from the last traffic; false if the first ping is already due. */
  #beginSpell(nowMs: number): boolean {
    this.#spellMs = this.#lastTrafficMs;
    this.#unanswered = 0;
    this.#graceUsed = false;
    const { intervalMs, random, wheel } = this.#heartbeat;
    // The wheel's lateness comes on top, and is part of the quarter.
    const quietMs = intervalMs + random() * (intervalMs / 4 - wheel.granularityMs);
    this.#decideAt(this.#spellMs + quietMs, nowMs);
    return this.#decisionMs > nowMs;
  }

  #decideAt(decisionMs: number, nowMs: number): void {
    this.#decisionMs = decisionMs;
    this.#heartbeat.wheel.schedule(this, decisionMs - nowMs);
  }
}
