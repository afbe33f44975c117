import type { LimitStore } from "../../broker/limit_store.ts";
import type { Clock } from "../../policy/clock.ts";
import { RateLimit } from "../../policy/rate_limit.ts";
import type { SubjectLimits } from "../../policy/subject_limits.ts";
import { SharedRate, type SharedRateTerms } from "./shared_rate.ts";
import { Tally, type TallyStore } from "./tally.ts";

/** What is the same for all users, or all addresses. */
export interface QuotaTerms {
  readonly limits: SubjectLimits;
  readonly publishes: SharedRateTerms | undefined;
  readonly bytes: SharedRateTerms | undefined;
  readonly channels: SharedRateTerms | undefined;
}

/** The terms of `limits`; `undefined` where nothing is limited. */
export function quotaTerms(limits: SubjectLimits, clock: Clock): QuotaTerms | undefined {
  if (Object.values(limits).every((limit) => limit === Infinity)) return undefined;
  const rate = (most: number, seconds = 1): SharedRateTerms | undefined =>
    most === Infinity ? undefined : {
      perSecond: most,
      limit: new RateLimit({ ratePerSecond: most / seconds, burst: most }, clock),
    };
  return {
    limits,
    publishes: rate(limits.maxPublishesPerSecond),
    bytes: rate(limits.maxBytesPerSecond),
    channels: rate(limits.maxChannels, 60),
  };
}

/** What one user, or one address, uses on this node, of what it may use on all. */
export class Quota {
  /** Whose it is. */
  readonly key: string;
  readonly sessions: Tally;
  readonly subscriptions: Tally;
  /** `undefined` without a limit, as the two that follow. */
  readonly publishes: SharedRate | undefined;
  readonly bytes: SharedRate | undefined;
  /** Of this node alone. */
  readonly channels: SharedRate | undefined;
  /** Sessions that have it, and those that ask to be one. */
  users = 0;
  /** Since when there are none. */
  idleMs = 0;

  constructor(
    key: string,
    { limits, publishes, bytes, channels }: QuotaTerms,
    rates: LimitStore | undefined,
    tallies: TallyStore | undefined,
  ) {
    this.key = key;
    this.sessions = new Tally(`${key} sessions`, limits.maxSessions, tallies);
    this.subscriptions = new Tally(`${key} subscriptions`, limits.maxSubscriptions, tallies);
    this.publishes = publishes && new SharedRate(`${key} publishes`, publishes, rates);
    this.bytes = bytes && new SharedRate(`${key} bytes`, bytes, rates);
    this.channels = channels && new SharedRate(`${key} channels`, channels, undefined);
  }

  /** Tells the other nodes again how many there are. */
  say(): void {
    if (this.sessions.count > 0) this.sessions.say();
    if (this.subscriptions.count > 0) this.subscriptions.say();
  }

  /**
   * Whether nobody would notice a new one in its place. What it gives back may be under way yet: a
   * new one would tell the store of its own before it.
   */
  settled(nowMs: number): boolean {
    return this.sessions.idle && this.subscriptions.idle &&
      [this.publishes, this.bytes, this.channels].every((rate) => rate?.isFull(nowMs) !== false);
  }
}
