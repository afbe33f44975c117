import type { LimitStore } from "../broker/limit_store.ts";
import { addressKey } from "../policy/admission.ts";
import type { Clock, TimerId } from "../policy/clock.ts";
import { RateLimit } from "../policy/rate_limit.ts";
import type { Subject, SubjectLimits } from "../policy/subject_limits.ts";
import { Account, type Quota, takeAll } from "./account.ts";
import type { LimitName } from "./limit_name.ts";
import { SharedRate, type SharedRateTerms } from "./shared_rate.ts";
import { Tally, type TallyStore } from "./tally.ts";

export interface LimitsOptions {
  readonly limits: Readonly<Record<Subject, SubjectLimits>>;
  /** Where nodes count together; `undefined` where this one is alone. */
  readonly store: LimitStore | undefined;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** Whose session it is. */
export interface Subjects {
  /** `undefined`: of nobody, who has no limits of a user. */
  readonly user: string | undefined;
  /** `undefined`: of no client's own, which has no limits of an address. */
  readonly address: string | undefined;
}

/**
 * What users and addresses use on this node. It remembers those that have sessions here, and for a
 * moment those that had some, so that nobody gets a new rate by leaving.
 */
export class Limits {
  readonly #options: LimitsOptions;
  readonly #store: TallyStore | undefined;
  /** By subject: bounded by the sessions, and by the admission's rate for those that have gone. */
  readonly #held = new Map<string, Held>();
  /** Those without a session, the longest first. */
  readonly #idle = new Set<Held>();
  readonly #terms: Readonly<Record<Subject, Terms>>;
  #renewTimer: TimerId | undefined;
  #closed = false;
  #renewing: Iterator<Held> | undefined;

  constructor(options: LimitsOptions) {
    const { limits, store, clock, onError } = options;
    this.#options = options;
    this.#terms = { user: termsOf(limits.user, clock), address: termsOf(limits.address, clock) };
    this.#store = store && {
      limits: store,
      failing: false,
      onFailing: (error) => {
        if (this.#closed) return;
        const reason = error instanceof Error ? error.message : String(error);
        onError(new Error(`Limits hold on each node alone: ${reason}`));
      },
    };
    const counts = [limits.user, limits.address].some(({ maxSessions, maxSubscriptions }) =>
      maxSessions < Infinity || maxSubscriptions < Infinity
    );
    if (store !== undefined && counts) this.#renewSoon(store);
  }

  /** What users and addresses may use. */
  get limits(): Readonly<Record<Subject, SubjectLimits>> {
    return this.#options.limits;
  }

  /** How many subjects are remembered. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Opens the account of a session; or says which limit stands against it. There is a promise only
   * where other nodes have to be asked.
   *
   * @param arrives It was let in at another node, and is counted in any case.
   */
  open(subjects: Subjects, arrives: boolean): Account | LimitName | Promise<Account | LimitName> {
    this.#forgetIdle();
    const held = SUBJECTS.map((subject) => this.#hold(subject, subjects[subject]))
      .filter((held) => held !== undefined);
    if (held.length === 0) return NO_ACCOUNT;
    for (const each of held) each.users++;
    const release = () => {
      for (const each of held) this.#release(each);
    };
    const quotas = held.map(({ quota }) => quota);
    const finish = (limit: LimitName | undefined) => {
      if (limit === undefined) return new Account(quotas, release);
      release();
      return limit;
    };
    if (arrives) {
      for (const { sessions } of quotas) sessions.keep();
      return finish(undefined);
    }
    const taken = takeAll(quotas, "sessions");
    return taken instanceof Promise ? taken.then(finish) : finish(taken);
  }

  /** Says no more of what is here; what sessions have given back by now is under way. */
  close(): void {
    this.#closed = true;
    if (this.#renewTimer !== undefined) this.#options.clock.clearTimeout(this.#renewTimer);
  }

  #hold(subject: Subject, name: string | undefined): Held | undefined {
    const terms = this.#terms[subject];
    if (name === undefined || !terms.any) return undefined;
    const key = `${subject} ${subject === "address" ? addressKey(name) : name}`;
    let held = this.#held.get(key);
    if (held === undefined) {
      held = { key, quota: this.#createQuota(subject, terms, key), users: 0, idleMs: 0 };
      this.#held.set(key, held);
    }
    this.#idle.delete(held);
    return held;
  }

  #createQuota(
    subject: Subject,
    { limits, publishes, bytes, channels }: Terms,
    key: string,
  ): Quota {
    const { store } = this.#options;
    const rate = (what: string, terms: SharedRateTerms | undefined) =>
      terms && new SharedRate(`${key} ${what}`, terms, store);
    return {
      subject,
      sessions: new Tally(`${key} sessions`, limits.maxSessions, this.#store),
      subscriptions: new Tally(`${key} subscriptions`, limits.maxSubscriptions, this.#store),
      publishes: rate("publishes", publishes),
      bytes: rate("bytes", bytes),
      channels: channels && new SharedRate(`${key} channels`, channels, undefined),
    };
  }

  #release(held: Held): void {
    held.users--;
    if (held.users > 0) return;
    held.idleMs = this.#options.clock.now();
    this.#idle.add(held);
    this.#forgetIdle();
  }

  #forgetIdle(): void {
    const nowMs = this.#options.clock.now();
    for (const held of this.#idle) {
      if (held.idleMs > nowMs - KEEP_MS) return;
      this.#idle.delete(held);
      const { sessions, subscriptions, channels } = held.quota;
      // What it gives back is under way yet: a new one would tell the store of its own before it.
      const settled = sessions.idle && subscriptions.idle && channels?.isFull(nowMs) !== false;
      if (settled) this.#held.delete(held.key);
      else this.#idle.add(Object.assign(held, { idleMs: nowMs }));
    }
  }

  #renewSoon(store: LimitStore): void {
    const stepMs = Math.min(1000, store.ttlMs / 6);
    this.#renewTimer = this.#options.clock.setTimeout(() => {
      this.#renew(Math.ceil(this.#held.size * 3 * stepMs / store.ttlMs));
      this.#renewSoon(store);
    }, stepMs);
  }

  /** Says of some how many there are, so that each one's turn comes three times in its time. */
  #renew(count: number): void {
    for (let left = count; left > 0; left--) {
      this.#renewing ??= this.#held.values();
      const { value, done } = this.#renewing.next();
      if (done) {
        this.#renewing = undefined;
        return;
      }
      const { sessions, subscriptions } = value.quota;
      if (sessions.count > 0) sessions.say();
      if (subscriptions.count > 0) subscriptions.say();
    }
  }
}

/** A subject that is remembered. */
interface Held {
  readonly key: string;
  readonly quota: Quota;
  /** Sessions, and those that ask to be one. */
  users: number;
  /** Since when there are none. */
  idleMs: number;
}

/** What is the same for all users, or all addresses. */
interface Terms {
  readonly limits: SubjectLimits;
  /** Whether anything is limited. */
  readonly any: boolean;
  readonly publishes: SharedRateTerms | undefined;
  readonly bytes: SharedRateTerms | undefined;
  readonly channels: SharedRateTerms | undefined;
}

function termsOf(limits: SubjectLimits, clock: Clock): Terms {
  const rate = (most: number, seconds = 1): SharedRateTerms | undefined =>
    most === Infinity ? undefined : {
      perSecond: most,
      limit: new RateLimit({ ratePerSecond: most / seconds, burst: most }, clock),
    };
  return {
    limits,
    any: Object.values(limits).some((limit) => limit < Infinity),
    publishes: rate(limits.maxPublishesPerSecond),
    bytes: rate(limits.maxBytesPerSecond),
    channels: rate(limits.maxChannels, 60),
  };
}

const SUBJECTS = ["user", "address"] as const;

const NO_ACCOUNT = new Account([], () => {});

/** A bucket of a second is full by then; that of a minute is looked at. */
const KEEP_MS = 2000;
