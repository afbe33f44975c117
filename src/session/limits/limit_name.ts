import type { SessionOptions } from "../../options.ts";
import type { Subject, SubjectLimits } from "../../policy/subject_limits.ts";

/** What can stand against a client, by the name of its option. */
export type LimitName =
  | `session.${keyof typeof SESSION_RULES}`
  | `limits.${Subject}.${keyof SubjectLimits}`;

/** How often each limit has stood against something, since the node's start. */
export type LimitCounts = Readonly<Record<LimitName, number>>;

/** All of them at 0. */
export function noLimitCounts(): Record<LimitName, number> {
  const names = [
    ...Object.keys(SESSION_RULES).map((option) => `session.${option}`),
    ...["user", "address"].flatMap((subject) =>
      Object.keys(SUBJECT_RULES).map((option) => `limits.${subject}.${option}`)
    ),
  ];
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<LimitName, number>;
}

/** What a limit says, for the client that it stands against. */
export function ruleOf(
  limit: LimitName,
  session: SessionOptions,
  limits: Readonly<Record<Subject, SubjectLimits>>,
): string {
  const [group, name, option] = limit.split(".") as [string, string, keyof SubjectLimits];
  const rule = group === "session"
    ? SESSION_RULES[name as keyof typeof SESSION_RULES](session[name as keyof SessionOptions])
    : SUBJECT_RULES[option](
      `${name === "user" ? "a" : "an"} ${name}`,
      limits[name as Subject][option],
    );
  return `${rule} (${limit})`;
}

const SESSION_RULES = {
  maxCommandsPerSecond: (most: number) => `Commands may come ${most} a second`,
  maxPendingCommands: (most: number) => `Commands may wait for an answer ${most} at once`,
  maxPublishesPerSecond: (most: number) => `Publishes may come ${most} a second`,
  maxBytesPerSecond: (most: number) => `Bytes may come ${most} a second`,
  maxChannels: (most: number) => `A session publishes to at most ${most} channels in a minute`,
  maxSubscriptions: (most: number) => `A session has at most ${most} subscriptions`,
};

const SUBJECT_RULES: Readonly<
  Record<keyof SubjectLimits, (subject: string, most: number) => string>
> = {
  maxSessions: (subject, most) => `All sessions of ${subject} are at most ${most}`,
  maxSubscriptions: (subject, most) =>
    `All sessions of ${subject} have at most ${most} subscriptions`,
  maxPublishesPerSecond: (subject, most) => `Publishes of ${subject} may come ${most} a second`,
  maxChannels: (subject, most) =>
    `All sessions of ${subject} publish to at most ${most} channels in a minute`,
  maxBytesPerSecond: (subject, most) => `Bytes of ${subject} may come ${most} a second`,
};
