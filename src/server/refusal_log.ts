import type { LogEntry } from "../options.ts";
import type { Clock } from "../policy/clock.ts";
import { TokenBucket } from "../policy/token_bucket.ts";

/**
 * Logs what was refused, no faster than an operator can read: whoever is refused decides how often,
 * and must not fill a disk with it.
 */
export class RefusalLog {
  readonly #log: (entry: LogEntry) => void;
  readonly #lines: TokenBucket;
  /** Refused since the last line. */
  #unsaid = 0;

  constructor(log: (entry: LogEntry) => void, clock: Clock) {
    this.#log = log;
    this.#lines = new TokenBucket({ ratePerSecond: LINES_PER_SECOND, burst: LINES_AT_ONCE }, clock);
  }

  /** Logs `message` as a warning, or counts it for the next line. */
  warn(message: string): void {
    if (!this.#lines.take()) {
      this.#unsaid++;
      return;
    }
    const more = this.#unsaid === 0 ? "" : `; ${this.#unsaid} warnings before it were not logged`;
    this.#unsaid = 0;
    this.#log({ level: "warn", message: message + more });
  }
}

/** The origins that a new page of one's own forgot to list come in one screenful. */
const LINES_AT_ONCE = 10;

/** A flood of a day leaves a megabyte. */
const LINES_PER_SECOND = 0.1;
