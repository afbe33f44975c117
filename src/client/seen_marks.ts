import type { Clock } from "../policy/clock.ts";
import { MARK_WINDOW } from "../protocol/message.ts";
import { Timer } from "./timer.ts";

/**
 * Which numbered datagrams have come over one link: told to the server at most every 50 ms, and only
 * while some come.
 */
export class SeenMarks {
  readonly #send: (newest: number, missing: readonly number[]) => void;
  /** Of the last {@linkcode MARK_WINDOW} numbers those that have come. */
  readonly #seen = new Set<number>();
  readonly #timer: Timer;
  #newest = 0;

  constructor(clock: Clock, send: (newest: number, missing: readonly number[]) => void) {
    this.#timer = new Timer(clock);
    this.#send = send;
  }

  /** A mark has come. */
  add(number: number): void {
    if (number <= this.#newest - MARK_WINDOW) return;
    this.#seen.add(number);
    this.#newest = Math.max(this.#newest, number);
    if (!this.#timer.running) this.#timer.start(TELL_MS, () => this.#tell());
  }

  stop(): void {
    this.#timer.stop();
  }

  #tell(): void {
    const oldest = Math.max(0, this.#newest - MARK_WINDOW);
    for (const number of this.#seen) if (number <= oldest) this.#seen.delete(number);
    const missing: number[] = [];
    for (let number = oldest + 1; number < this.#newest; number++) {
      if (!this.#seen.has(number)) missing.push(number);
    }
    this.#send(this.#newest, missing);
  }
}

/** Three updates at 60 Hz: what is lost is known within that and a round trip. */
const TELL_MS = 50;
