/** What can stand against a client, by the name of its option. */
export type LimitName =
  | "session.maxCommandsPerSecond"
  | "session.maxPendingCommands"
  | "session.maxPublishesPerSecond"
  | "session.maxBytesPerSecond"
  | "session.maxChannels"
  | "session.maxSubscriptions";

/** How often each limit has stood against something, since the node's start. */
export type LimitCounts = Readonly<Record<LimitName, number>>;

/** All of them at 0. */
export function noLimitCounts(): Record<LimitName, number> {
  return {
    "session.maxCommandsPerSecond": 0,
    "session.maxPendingCommands": 0,
    "session.maxPublishesPerSecond": 0,
    "session.maxBytesPerSecond": 0,
    "session.maxChannels": 0,
    "session.maxSubscriptions": 0,
  };
}
