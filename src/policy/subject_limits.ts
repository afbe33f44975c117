/**
 * What all sessions of one user, or of one address, may use together; over all nodes that share
 * Redis, where nothing else is said.
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
  /**
   * Channels that they may publish to within a minute, in count, each session's for itself and on
   * each node; `Infinity` disables the limit. One more gets error 429.
   * @default user 1000, address 10000
   */
  readonly maxChannels: number;
}

/** Whose sessions are limited together. */
export type Subject = "user" | "address";

export const SUBJECT_LIMITS_DEFAULTS: Readonly<Record<Subject, SubjectLimits>> = {
  user: {
    maxSessions: 100,
    maxSubscriptions: Infinity,
    maxPublishesPerSecond: 2000,
    maxBytesPerSecond: 4_194_304,
    maxChannels: 1000,
  },
  address: {
    maxSessions: Infinity,
    maxSubscriptions: Infinity,
    maxPublishesPerSecond: 20_000,
    maxBytesPerSecond: 16_777_216,
    maxChannels: 10_000,
  },
};
