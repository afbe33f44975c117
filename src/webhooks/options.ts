/** What a backend can be asked about, or told. */
export type WebhookEvent = "connect" | "subscribe" | "publish" | "rpc" | "disconnect";

/** What happens when no answer comes. */
export type OnFailure = "refuse" | "allow";

/** What a backend is asked before clients connect, subscribe, publish or call, and told when they go. */
export interface WebhookOptions {
  /**
   * Where it is POSTed to: a URL of https, or of http in a private network. Its certificate must be
   * good; redirects are not followed.
   */
  readonly url: string;
  /**
   * What requests are signed with, 32 characters or more each. Several make one signature each, so
   * that a backend can go over from one to another.
   */
  readonly secrets: readonly string[];
  /** What it is asked or told about; each costs a request. */
  readonly events: readonly WebhookEvent[];
  /**
   * The namespaces for whose channels it is asked about `subscribe` and `publish`.
   * @default all
   */
  readonly namespaces?: readonly string[];
  /**
   * How long an answer may take, waiting and asking again included, in milliseconds: less than
   * `session.hookTimeoutMs`.
   * @default 3000
   */
  readonly timeoutMs?: number;
  /**
   * What happens when no answer comes: `refuse` with 503, or `allow` as if there were no webhook.
   * One for all, or by event. An answer that makes no sense is always refused.
   * @default "refuse"
   */
  readonly onFailure?: OnFailure | { readonly [event in AskedEvent]?: OnFailure };
  /**
   * Requests at once that are waited for, in count.
   * @default 64
   */
  readonly maxConcurrent?: number;
  /**
   * Questions that wait for their turn, in count; beyond it the newest of the session that has most
   * of them counts as not answered.
   * @default 1000
   */
  readonly maxWaiting?: number;
  /**
   * One answer, in bytes; a larger one makes no sense.
   * @default 131072
   */
  readonly maxAnswerBytes?: number;
  /**
   * How often a question is put at most, in count: again where no answer began, within `timeoutMs`.
   * @default 3
   */
  readonly attempts?: number;
  /**
   * How often a notice of `disconnect` is sent at most, in count, with ever longer breaks of up to
   * 30 seconds.
   * @default 10
   */
  readonly noticeAttempts?: number;
  /**
   * Notices that wait, in count; one more is dropped.
   * @default 10000
   */
  readonly maxNotices?: number;
  /**
   * How long notices have to leave when the server ends, in milliseconds; 0 drops them.
   * @default 3000
   */
  readonly closeTimeoutMs?: number;
  /**
   * Failures in a row after which the backend is not asked, in count.
   * @default 5
   */
  readonly breakerFailures?: number;
  /**
   * How long it is not asked then, in milliseconds; up to a quarter more. Then one question tries.
   * @default 5000
   */
  readonly breakerOpenMs?: number;
  /**
   * Whether `url` may be of http outside a private network, where anybody on the way can read it.
   * @default false
   */
  readonly allowHttp?: boolean;
}

/** An event that the backend has a say in. */
export type AskedEvent = Exclude<WebhookEvent, "disconnect">;

/** All of {@linkcode WebhookEvent}, in the order in which they happen to a session. */
export const WEBHOOK_EVENTS = [
  "connect",
  "subscribe",
  "publish",
  "rpc",
  "disconnect",
] as const satisfies WebhookEvent[];

/** {@linkcode WebhookOptions} with every default in its place. */
export type ResolvedWebhookOptions =
  & Required<Omit<WebhookOptions, "namespaces">>
  & Pick<WebhookOptions, "namespaces">;

export const WEBHOOK_DEFAULTS: Omit<ResolvedWebhookOptions, "url" | "secrets" | "events"> = {
  timeoutMs: 3000,
  onFailure: "refuse",
  maxConcurrent: 64,
  maxWaiting: 1000,
  maxAnswerBytes: 131_072,
  attempts: 3,
  noticeAttempts: 10,
  maxNotices: 10_000,
  closeTimeoutMs: 3000,
  breakerFailures: 5,
  breakerOpenMs: 5000,
  allowHttp: false,
};

/** Whether `url` is of https, or of http where nobody but the operator's own machines can listen. */
export function isPrivateOrSecure({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || protocol === "http:" && isPrivate(hostname);
}

/** A name without a dot is one of a private network, such as that of containers. */
function isPrivate(host: string): boolean {
  if (host.startsWith("[")) return /^\[(::1|f[cd][0-9a-f]{2}:.*|fe[89ab][0-9a-f]:.*)\]$/.test(host);
  if (!host.includes(".")) return true;
  // WHATWG URL has written every IPv4 address in four decimal numbers.
  if (/^[\d.]+$/.test(host)) {
    return /^(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01]))\./.test(host);
  }
  return /\.(localhost|local|internal)$/.test(host);
}
