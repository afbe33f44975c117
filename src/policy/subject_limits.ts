/**
 * What all sessions of one user, or of one address, may use together: over all nodes that share
 * Redis.
 */
export interface SubjectLimits {
  /**
   * Sessions, in count, those included that wait for their client; `Infinity` disables the limit.
   * One more is closed with 3006 and told when to come again. Of an address,
   * `admission.maxSessionsPerAddress` limits them on each node besides.
   * @default user 100, address Infinity
   */
  readonly maxSessions: number;
  /**
   * Subscriptions, in count; `Infinity` leaves them to `maxSessions` and `session.maxSubscriptions`.
   * One more gets error 429.
   * @default Infinity
   */
  readonly maxSubscriptions: number;
  /**
   * Publishes a second; `Infinity` disables the limit. One too many fares as under
   * `session.maxPublishesPerSecond`. The defaults are two sessions' and twenty sessions' commands: a
   * school whose pupils all move their pointers is conflated by it and loses none.
   * @default user 2000, address 20000
   */
  readonly maxPublishesPerSecond: number;
  /**
   * Bytes of messages a second; `Infinity` disables the limit. A message too many fares as under
   * `session.maxBytesPerSecond`.
   * @default user 4194304, address 16777216
   */
  readonly maxBytesPerSecond: number;
}

/** Whose sessions are limited together. */
export type Subject = "user" | "address";

export const SUBJECT_LIMITS_DEFAULTS: Readonly<Record<Subject, SubjectLimits>> = {
  user: {
    maxSessions: 100,
    maxSubscriptions: Infinity,
    maxPublishesPerSecond: 2000,
    maxBytesPerSecond: 4_194_304,
  },
  address: {
    maxSessions: Infinity,
    maxSubscriptions: Infinity,
    maxPublishesPerSecond: 20_000,
    maxBytesPerSecond: 16_777_216,
  },
};
