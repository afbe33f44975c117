import type { LimitName } from "./limit_name.ts";
import type { Quota } from "./quota.ts";

/** Whom a session's user and address have their quotas from. */
export interface AccountOwner {
  /** A session has ended, or was none after all. */
  release(account: Account): void;
}

/**
 * What one session uses of its user's quota, and of the quota of the address that it began at; each
 * `undefined` where it has no limits. The user's comes first: it says more than that the address is
 * used by many.
 */
export class Account {
  readonly user: Quota | undefined;
  readonly address: Quota | undefined;
  readonly #owner: AccountOwner;

  constructor(owner: AccountOwner, user: Quota | undefined, address: Quota | undefined) {
    this.#owner = owner;
    this.user = user;
    this.address = address;
  }

  /** Takes what a message has; or says which limit stands against it. */
  takeBytes(bytes: number, nowMs: number): LimitName | undefined {
    if (this.user?.bytes?.take(bytes, nowMs) === false) return "limits.user.maxBytesPerSecond";
    if (this.address?.bytes?.take(bytes, nowMs) === false) {
      return "limits.address.maxBytesPerSecond";
    }
    return undefined;
  }

  /** Takes one publish; or says which limit stands against it. */
  takePublish(nowMs: number): LimitName | undefined {
    if (this.user?.publishes?.take(1, nowMs) === false) return "limits.user.maxPublishesPerSecond";
    if (this.address?.publishes?.take(1, nowMs) === false) {
      return "limits.address.maxPublishesPerSecond";
    }
    return undefined;
  }

  /**
   * Takes a channel that the session has not published to lately; or says which limit stands against
   * it.
   */
  takeChannel(nowMs: number): LimitName | undefined {
    if (this.user?.channels?.take(1, nowMs) === false) return "limits.user.maxChannels";
    if (this.address?.channels?.take(1, nowMs) === false) return "limits.address.maxChannels";
    return undefined;
  }

  /** Takes the session's place, once; or says which limit stands against it. */
  begin(): LimitName | undefined | Promise<LimitName | undefined> {
    return this.#take("sessions");
  }

  /** Counts the session in any case: it was let in at another node. */
  arrive(): void {
    this.user?.sessions.keep();
    this.address?.sessions.keep();
  }

  /** The session has ended, whose place was taken. Called once. */
  end(): void {
    this.user?.sessions.give();
    this.address?.sessions.give();
    this.#owner.release(this);
  }

  /** Takes a subscription; or says which limit stands against it. */
  subscribe(): LimitName | undefined | Promise<LimitName | undefined> {
    return this.#take("subscriptions");
  }

  /** Counts a subscription that the session has brought from another node. */
  keepSubscription(): void {
    this.user?.subscriptions.keep();
    this.address?.subscriptions.keep();
  }

  /** Gives a subscription back. */
  unsubscribe(): void {
    this.user?.subscriptions.give();
    this.address?.subscriptions.give();
  }

  /** Takes one of each, or none; at once where no other node has to be asked. */
  #take(what: Counted): LimitName | undefined | Promise<LimitName | undefined> {
    const taken = this.user?.[what].take();
    if (taken instanceof Promise) {
      return taken.then((taken) => taken ? this.#takeOfAddress(what) : NAMES.user[what]);
    }
    return taken === false ? NAMES.user[what] : this.#takeOfAddress(what);
  }

  #takeOfAddress(what: Counted): LimitName | undefined | Promise<LimitName | undefined> {
    const taken = this.address?.[what].take();
    return taken instanceof Promise
      ? taken.then((taken) => this.#settle(what, taken))
      : this.#settle(what, taken !== false);
  }

  /** The user gets back what the address has no room for. */
  #settle(what: Counted, taken: boolean): LimitName | undefined {
    if (taken) return undefined;
    this.user?.[what].give();
    return NAMES.address[what];
  }
}

type Counted = "sessions" | "subscriptions";

const NAMES = {
  user: {
    sessions: "limits.user.maxSessions",
    subscriptions: "limits.user.maxSubscriptions",
  },
  address: {
    sessions: "limits.address.maxSessions",
    subscriptions: "limits.address.maxSubscriptions",
  },
} as const;
