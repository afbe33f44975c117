import type { Clock } from "../policy/clock.ts";
import type { RttEstimator } from "../policy/rtt.ts";
import { Timer } from "./timer.ts";

/** What a {@linkcode StallDetector} does over its path. */
export interface WatchedPath {
  /** The round-trip times that were measured over it. */
  readonly rtt: RttEstimator;
  /** Sends a ping. */
  ping(): void;
  /**
   * The path carries nothing any more, or too late: another may be better. `slow`: the server still
   * answers over it.
   */
  stalled(reason: string, slow: boolean): void;
}

/**
 * Finds a path that breaks in the middle of a stream of messages, long before the heartbeat would.
 *
 * - A busy path that falls silent is asked once, by a ping: a stream may have ended. One that does
 *   not answer in time has stalled. So a break is found after two seconds on most paths.
 * - A busy path whose round trips take many times what they took at first has stalled as well.
 * - A path that carries little is left to the heartbeat: it wakes no radio to find out.
 */
export class StallDetector {
  readonly #clock: Clock;
  readonly #path: WatchedPath;
  /** Runs while the path is busy. */
  readonly #look: Timer;
  #heardMs = 0;
  /** The time between two arrivals, smoothed. */
  #gapMs = IDLE_GAP_MS;
  /** When the ping left that is to be answered in time. */
  #askedMs: number | undefined;
  #measuredMs = 0;
  #leastRttMs = Infinity;
  /** How many times in a row round trips took too long. */
  #blown = 0;
  #stalled = false;

  constructor(clock: Clock, path: WatchedPath) {
    this.#clock = clock;
    this.#path = path;
    this.#look = new Timer(clock);
  }

  /** Whether nothing has come since the path stalled. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Something came in. */
  arrived(): void {
    const nowMs = this.#clock.now();
    const gapMs = Math.min(IDLE_GAP_MS, nowMs - this.#heardMs);
    this.#heardMs = nowMs;
    this.#askedMs = undefined;
    this.#stalled = false;
    this.#gapMs += (gapMs - this.#gapMs) / 8;
    if (this.#gapMs > BUSY_GAP_MS || this.#look.running) return;
    this.#measuredMs = nowMs;
    this.#lookIn(LOOK_MS);
  }

  /** A ping was answered. */
  measured(): void {
    const { latestMs } = this.#path.rtt;
    this.#leastRttMs = Math.min(this.#leastRttMs, latestMs);
    const blown = latestMs >= Math.max(BLOWN_RTT_MS, BLOWN_FACTOR * this.#leastRttMs);
    this.#blown = blown ? this.#blown + 1 : 0;
    if (this.#blown < BLOWN_SAMPLES) return;
    this.#blown = 0;
    this.#path.stalled(`A round trip took ${Math.round(latestMs)} ms`, true);
  }

  /** Ends it; idempotent. */
  stop(): void {
    this.#look.stop();
  }

  #lookIn(ms: number): void {
    this.#look.start(ms, () => this.#judge());
  }

  #judge(): void {
    const nowMs = this.#clock.now();
    const silentMs = nowMs - this.#heardMs;
    if (this.#askedMs !== undefined) {
      this.#stalled = true;
      return this.#path.stalled(`Nothing came for ${Math.round(silentMs)} ms`, false);
    }
    if (silentMs >= LOOK_MS) {
      // What follows a pause is not busy because of what was before it.
      this.#gapMs = IDLE_GAP_MS;
      this.#askedMs = nowMs;
      this.#path.ping();
      return this.#lookIn(this.#answerMs());
    }
    if (this.#gapMs > BUSY_GAP_MS) return;
    if (nowMs - this.#measuredMs >= MEASURE_MS) {
      this.#measuredMs = nowMs;
      this.#path.ping();
    }
    this.#lookIn(LOOK_MS - silentMs);
  }

  /** RFC 6298 §2.2, with the least time that a busy phone's radio may need. */
  #answerMs(): number {
    const { smoothedMs = 0, variationMs } = this.#path.rtt;
    return Math.max(LEAST_ANSWER_MS, 2 * (smoothedMs + 4 * variationMs));
  }
}

/** A path that brings something at least twice a second is busy: its radio is awake anyhow. */
const BUSY_GAP_MS = 500;

/** A pause of any length weighs no more than this: half a dozen arrivals make a path busy again. */
const IDLE_GAP_MS = 1000;

/** Silence of this length is seen as such in a game, and passed over in the heartbeat. */
const LOOK_MS = 1000;

const LEAST_ANSWER_MS = 1000;

/** How often a busy path is measured. */
const MEASURE_MS = 2000;

/** Three round trips in a row of a second, and of eight times the best: no burst is as long. */
const BLOWN_RTT_MS = 1000;
const BLOWN_FACTOR = 8;
const BLOWN_SAMPLES = 3;
