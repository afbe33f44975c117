import type { Subject } from "../policy/subject_limits.ts";
import type { LimitName } from "./limit_name.ts";
import type { SharedRate } from "./shared_rate.ts";
import type { Tally } from "./tally.ts";

/** What one subject uses on this node, of what it may use on all. */
export interface Quota {
  readonly subject: Subject;
  readonly sessions: Tally;
  readonly subscriptions: Tally;
  /** `undefined` without a limit. */
  readonly publishes: SharedRate | undefined;
  readonly bytes: SharedRate | undefined;
  /** Of this node alone. */
  readonly channels: SharedRate | undefined;
}

/** What one session uses of its user's quota, and of the quota of the address that it began at. */
export class Account {
  /** The user's first: it says more than that the address is used by many. */
  readonly #quotas: readonly Quota[];
  readonly #release: () => void;

  constructor(quotas: readonly Quota[], release: () => void) {
    this.#quotas = quotas;
    this.#release = release;
  }

  /** Takes what a message has; or says which limit stands against it. */
  takeBytes(bytes: number, nowMs: number): LimitName | undefined {
    for (const { bytes: rate, subject } of this.#quotas) {
      if (rate !== undefined && !rate.take(bytes, nowMs)) {
        return `limits.${subject}.maxBytesPerSecond`;
      }
    }
    return undefined;
  }

  /** Takes one publish; or says which limit stands against it. */
  takePublish(nowMs: number): LimitName | undefined {
    for (const { publishes: rate, subject } of this.#quotas) {
      if (rate !== undefined && !rate.take(1, nowMs)) {
        return `limits.${subject}.maxPublishesPerSecond`;
      }
    }
    return undefined;
  }

  /** Takes a channel that the session has not published to lately; or says which limit stands against it. */
  takeChannel(nowMs: number): LimitName | undefined {
    for (const { channels: rate, subject } of this.#quotas) {
      if (rate !== undefined && !rate.take(1, nowMs)) return `limits.${subject}.maxChannels`;
    }
    return undefined;
  }

  /** Takes a subscription; or says which limit stands against it. */
  subscribe(): LimitName | undefined | Promise<LimitName | undefined> {
    return takeAll(this.#quotas, "subscriptions");
  }

  /** Counts subscriptions that the session has brought from another node. */
  keepSubscriptions(count: number): void {
    for (const { subscriptions } of this.#quotas) subscriptions.keep(count);
  }

  /** Gives subscriptions back. */
  unsubscribe(count: number): void {
    for (const { subscriptions } of this.#quotas) subscriptions.give(count);
  }

  /** The session has ended. Called once. */
  end(): void {
    for (const { sessions } of this.#quotas) sessions.give();
    this.#release();
  }
}

/** Takes one of each quota, or none; at once where no other node has to be asked. */
export function takeAll(
  quotas: readonly Quota[],
  what: "sessions" | "subscriptions",
  from = 0,
): LimitName | undefined | Promise<LimitName | undefined> {
  for (let at = from; at < quotas.length; at++) {
    const taken = quotas[at]![what].take();
    if (taken instanceof Promise) {
      return taken.then((taken) =>
        taken ? takeAll(quotas, what, at + 1) : refuse(quotas, what, at)
      );
    }
    if (!taken) return refuse(quotas, what, at);
  }
  return undefined;
}

/** The quota at `at` has no room: those before it get back what was taken. */
function refuse(
  quotas: readonly Quota[],
  what: "sessions" | "subscriptions",
  at: number,
): LimitName {
  for (let before = 0; before < at; before++) quotas[before]![what].give();
  const { subject } = quotas[at]!;
  return what === "sessions"
    ? `limits.${subject}.maxSessions`
    : `limits.${subject}.maxSubscriptions`;
}
