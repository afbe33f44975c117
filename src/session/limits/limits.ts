import type { LimitStore } from "../../broker/limit_store.ts";
import { addressKey } from "../../policy/admission.ts";
import type { Clock, TimerId } from "../../policy/clock.ts";
import type { Subject, SubjectLimits } from "../../policy/subject_limits.ts";
import { Account, type AccountOwner } from "./account.ts";
import type { LimitName } from "./limit_name.ts";
import { Quota, type QuotaTerms, quotaTerms } from "./quota.ts";
import type { TallyStore } from "./tally.ts";

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
export class Limits implements AccountOwner {
  readonly #options: LimitsOptions;
  readonly #store: TallyStore | undefined;
  /** By subject: bounded by the sessions, and by the admission's rate for those that have gone. */
  readonly #quotas = new Map<string, Quota>();
  /** Those without a session, the longest first. */
  readonly #idle = new Set<Quota>();
  readonly #terms: Readonly<Record<Subject, QuotaTerms | undefined>>;
  #renewTimer: TimerId | undefined;
  #closed = false;
  /** When a failure may be told of again. */
  #tellMs = 0;
  #renewing: Iterator<Quota> | undefined;

  constructor(options: LimitsOptions) {
    const { limits, store, clock, onError } = options;
    this.#options = options;
    this.#terms = {
      user: quotaTerms(limits.user, clock),
      address: quotaTerms(limits.address, clock),
    };
    this.#store = store && {
      limits: store,
      failing: false,
      onFailing: (error) => {
        // Of several servers one may fail, and the others clear its failure over and over.
        if (this.#closed || clock.now() < this.#tellMs) return;
        this.#tellMs = clock.now() + TELL_MS;
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
    return this.#quotas.size;
  }

  /**
   * Opens the account of a session; or says which limit stands against it. There is a promise only
   * where other nodes have to be asked.
   *
   * @param arrives It was let in at another node, and is counted in any case.
   */
  open(
    { user, address }: Subjects,
    arrives: boolean,
  ): Account | LimitName | Promise<Account | LimitName> {
    this.#forgetIdle();
    const account = new Account(
      this,
      this.#quotaOf("user", user),
      this.#quotaOf("address", address && addressKey(address)),
    );
    if (arrives) {
      account.arrive();
      return account;
    }
    const limit = account.begin();
    return limit instanceof Promise
      ? limit.then((limit) => this.#opened(account, limit))
      : this.#opened(account, limit);
  }

  release({ user, address }: Account): void {
    if (user !== undefined) this.#leave(user);
    if (address !== undefined) this.#leave(address);
    this.#forgetIdle();
  }

  /** Says no more of what is here; what sessions have given back by now is under way. */
  close(): void {
    this.#closed = true;
    if (this.#renewTimer !== undefined) this.#options.clock.clearTimeout(this.#renewTimer);
  }

  #opened(account: Account, limit: LimitName | undefined): Account | LimitName {
    if (limit === undefined) return account;
    this.release(account);
    return limit;
  }

  #quotaOf(subject: Subject, name: string | undefined): Quota | undefined {
    const terms = this.#terms[subject];
    if (name === undefined || terms === undefined) return undefined;
    const key = `${subject} ${name}`;
    let quota = this.#quotas.get(key);
    if (quota === undefined) {
      quota = new Quota(key, terms, this.#options.store, this.#store);
      this.#quotas.set(key, quota);
    }
    quota.users++;
    this.#idle.delete(quota);
    return quota;
  }

  #leave(quota: Quota): void {
    quota.users--;
    if (quota.users > 0) return;
    quota.idleMs = this.#options.clock.now();
    this.#idle.add(quota);
  }

  #forgetIdle(): void {
    const nowMs = this.#options.clock.now();
    for (const quota of this.#idle) {
      if (quota.idleMs > nowMs - KEEP_MS) return;
      this.#idle.delete(quota);
      if (quota.settled(nowMs)) this.#quotas.delete(quota.key);
      else {
        quota.idleMs = nowMs;
        this.#idle.add(quota);
      }
    }
  }

  #renewSoon(store: LimitStore): void {
    const stepMs = Math.min(1000, store.ttlMs / 6);
    this.#renewTimer = this.#options.clock.setTimeout(() => {
      this.#renew(Math.ceil(this.#quotas.size * 3 * stepMs / store.ttlMs));
      this.#renewSoon(store);
    }, stepMs);
  }

  /** Says of some how many there are, so that each one's turn comes three times in its time. */
  #renew(count: number): void {
    for (let left = count; left > 0; left--) {
      this.#renewing ??= this.#quotas.values();
      const { value, done } = this.#renewing.next();
      if (done) {
        this.#renewing = undefined;
        return;
      }
      value.say();
    }
  }
}

/** What is settled is looked for no more often than this. */
const KEEP_MS = 1000;

/** Often enough to be seen, seldom enough to be read. */
const TELL_MS = 60_000;
