import type { SessionOptions } from "../../options.ts";
import type { Clock } from "../../policy/clock.ts";
import { RateLimit } from "../../policy/rate_limit.ts";

/** How fast each session of a node may come. */
export interface SessionRates {
  readonly clock: Clock;
  readonly commands: RateLimit;
  readonly publishes: RateLimit;
  /** Its tokens are bytes. */
  readonly bytes: RateLimit;
  /** How fast commands may come that are refused. */
  readonly refusals: RateLimit;
  /** How fast tokens may be shown: reading one costs a hundred times a command. */
  readonly tokens: RateLimit;
}

export function createSessionRates(options: SessionOptions, clock: Clock): SessionRates {
  const { maxCommandsPerSecond, commandBurst } = options;
  const limit = (ratePerSecond: number, burst: number) =>
    new RateLimit({ ratePerSecond, burst }, clock);
  return {
    clock,
    commands: limit(maxCommandsPerSecond, commandBurst),
    publishes: limit(options.maxPublishesPerSecond, options.publishBurst),
    bytes: limit(options.maxBytesPerSecond, options.byteBurst),
    refusals: limit(maxCommandsPerSecond, commandBurst * FLOOD_BURSTS),
    tokens: limit(TOKENS_PER_SECOND, options.maxSubscriptions + TOKENS_PER_SECOND),
  };
}

/**
 * A client that has this many bursts refused, sent at more than twice the rate, does not heed the
 * errors; a single loop that runs away for a moment has not as many.
 */
const FLOOD_BURSTS = 10;

/**
 * A client shows one for each of its channels when it comes back, and after that one in a while; a
 * signature of RSA takes 0.1 ms to verify.
 */
const TOKENS_PER_SECOND = 5;
