import * as v from "valibot";
import {
  HEARTBEAT_DEFAULTS,
  type HeartbeatOptions,
  type LogEntry,
  NAMESPACE_DEFAULTS,
  type NamespaceOptions,
  type PublicAddress,
  type RedisOptions,
  type ServerOptions,
  SESSION_DEFAULTS,
  type SessionOptions,
  type TlsDevelopment,
  type TlsFiles,
  type TlsPem,
} from "./options.ts";
import { MIN_KEY_LENGTH } from "./api/options.ts";
import { Admission, type AdmissionOptions } from "./policy/admission.ts";
import { type Clock, systemClock } from "./policy/clock.ts";
import { type OriginOptions, OriginPolicy } from "./policy/origin.ts";
import { type Random, systemRandom } from "./policy/random.ts";
import {
  type Subject,
  SUBJECT_LIMITS_DEFAULTS,
  type SubjectLimits,
} from "./policy/subject_limits.ts";
import type { ProxyOptions } from "./proxy/options.ts";
import { TrustedAddresses } from "./proxy/trusted_addresses.ts";
import { checkPattern } from "./session/rights/channel_pattern.ts";
import { CLOSED } from "./session/rights/permission.ts";
import {
  isPrivateOrSecure,
  type ResolvedWebhookOptions,
  WEBHOOK_DEFAULTS,
  WEBHOOK_EVENTS,
} from "./webhooks/options.ts";
import { WEBTRANSPORT_DEFAULTS } from "./webtransport/options.ts";

/** {@linkcode ServerOptions} with every default in its place. */
export interface ResolvedOptions {
  readonly hostname: string;
  readonly port: number;
  /** `false` outside development mode. */
  readonly developmentPort: number | false;
  readonly tls: Required<TlsFiles> | TlsPem | TlsDevelopment;
  readonly origins: OriginOptions;
  readonly proxies: ProxyOptions;
  readonly publicAddress: PublicAddress;
  /** `false` in development mode. */
  readonly hstsMaxAgeSeconds: number | false;
  readonly admission: AdmissionOptions;
  readonly limits: Readonly<Record<Subject, SubjectLimits>>;
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>;
  /** `undefined` where nobody proves who they are. */
  readonly auth: ServerOptions["auth"];
  readonly hooks: NonNullable<ServerOptions["hooks"]>;
  /** `undefined` where no backend is asked. */
  readonly webhooks: ResolvedWebhookOptions | undefined;
  /** `undefined` where there is no API. */
  readonly api: ServerOptions["api"];
  readonly metrics: NonNullable<ServerOptions["metrics"]>;
  /** `undefined` where the node stands alone. */
  readonly redis: RedisOptions | undefined;
  readonly session: SessionOptions;
  readonly heartbeat: HeartbeatOptions;
  readonly webtransport: NonNullable<ServerOptions["webtransport"]>;
  readonly rpc: NonNullable<ServerOptions["rpc"]>;
  readonly fetch: ServerOptions["fetch"];
  readonly reconnectSpreadMs: number;
  readonly onSlow: ServerOptions["onSlow"];
  readonly log: (entry: LogEntry) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly now: () => number;
}

/**
 * Checks options and fills in defaults.
 *
 * @throws {TypeError} If an option is unknown, of the wrong type, out of range or at odds with
 * another: one line for each, with its path, what is expected and what came.
 */
export function resolveOptions(options: ServerOptions = {}): ResolvedOptions {
  const result = v.safeParse(serverSchema, options, { abortPipeEarly: true });
  if (!result.success) throw new TypeError(describe(result.issues));
  const tls = options.tls ?? { developmentFolder: "certs" };
  const development = "developmentFolder" in tls;
  return {
    hostname: options.hostname ?? (development ? "localhost" : "::"),
    port: options.port ?? 4433,
    developmentPort: development && (options.developmentPort ?? 8080),
    tls: "certFile" in tls ? { ...tls, reloadIntervalMs: tls.reloadIntervalMs ?? 10_000 } : tls,
    origins: options.origins ?? {},
    proxies: options.proxies ?? { trusted: [] },
    publicAddress: options.publicAddress ?? {},
    hstsMaxAgeSeconds: !development && (options.hstsMaxAgeSeconds ?? 15_552_000),
    admission: options.admission ?? {},
    limits: {
      user: withDefaults(SUBJECT_LIMITS_DEFAULTS.user, options.limits?.user),
      address: withDefaults(SUBJECT_LIMITS_DEFAULTS.address, options.limits?.address),
    },
    namespaces: Object.fromEntries(
      Object.entries(options.namespaces ?? {})
        .map(([name, namespace]) => [name, {
          ...withDefaults<NamespaceOptions>(
            NAMESPACE_DEFAULTS,
            namespace as Partial<NamespaceOptions>,
          ),
          permissions: withDefaults(CLOSED, namespace.permissions),
        }]),
    ),
    auth: options.auth,
    hooks: options.hooks ?? {},
    webhooks: options.webhooks && {
      ...withDefaults<typeof WEBHOOK_DEFAULTS>(WEBHOOK_DEFAULTS, options.webhooks),
      url: options.webhooks.url,
      secrets: options.webhooks.secrets,
      events: options.webhooks.events,
    },
    api: options.api,
    metrics: options.metrics ?? {},
    redis: options.redis,
    session: withDefaults(SESSION_DEFAULTS, options.session),
    heartbeat: withDefaults(HEARTBEAT_DEFAULTS, options.heartbeat),
    webtransport: options.webtransport ?? {},
    rpc: options.rpc ?? {},
    fetch: options.fetch,
    reconnectSpreadMs: options.reconnectSpreadMs ?? 5000,
    onSlow: options.onSlow,
    log: options.log ?? logToStderr,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    now: options.now ?? Date.now,
  };
}

const count = v.pipe(
  v.number("a whole number"),
  v.safeInteger("a whole number"),
  v.minValue(0, "0 or more"),
);
const positive = v.pipe(count, v.minValue(1, "1 or more"));
/** Timers take at most 2^31 - 1 milliseconds. */
const milliseconds = v.pipe(
  v.number("a number of milliseconds"),
  v.check((ms) => ms >= 0 && ms < 2 ** 31, "0 to 2147483647 milliseconds"),
);
const positiveOrInfinity = v.union(
  [positive, v.literal(Infinity)],
  "a whole number from 1, or Infinity",
);
const portNumber = v.pipe(
  v.number("a port number"),
  v.check((port) => Number.isInteger(port) && port >= 0 && port <= 65_535, "a port, 0 to 65535"),
);
const flag = v.boolean("true or false");
const path = v.pipe(v.string("a path"), v.check((text) => text !== "", "a path"));
const pem = v.pipe(
  v.string("a text in PEM"),
  v.startsWith("-----BEGIN", "a text in PEM (-----BEGIN …)"),
);
// deno-lint-ignore ban-types -- every function is accepted, as its own type says more
const callable = v.custom<Function>((value) => typeof value === "function", "a function");

const secretKey = v.pipe(
  v.string("a key"),
  v.minLength(MIN_KEY_LENGTH, `keys of ${MIN_KEY_LENGTH} characters or more`),
  v.regex(/^[!-~]+$/, "keys of visible ASCII characters"),
);

const permission = v.union([
  flag,
  callable,
  v.pipe(
    v.partial(v.strictObject({
      authenticated: v.literal(true),
      token: v.literal(true),
      claim: v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])),
      pattern: v.pipe(
        v.string(),
        v.rawCheck(({ dataset, addIssue }) => {
          if (dataset.typed) attempt(() => checkPattern(dataset.value), addIssue);
        }),
      ),
    })),
    // An empty rule reads as if it let nobody in, and would let everybody.
    v.check((rule) => Object.keys(rule).length > 0, "a rule that says something"),
  ),
], "true, false, a function or a rule of authenticated, claim, pattern and token");

const namespaceSchema = v.partial(v.strictObject({
  delivery: v.picklist(["ordered", "latest"], '"ordered" or "latest"'),
  historySize: count,
  historyTtlMs: milliseconds,
  presence: flag,
  permissions: v.partial(v.strictObject({
    subscribe: permission,
    publish: permission,
    presence: permission,
    history: permission,
  })),
  overflow: v.picklist(["disconnect", "gap"], '"disconnect" or "gap"'),
  settleMs: milliseconds,
  maxAgeMs: milliseconds,
  maxKeys: positive,
  keyTtlMs: milliseconds,
}));

const sessionSchema = v.pipe(
  v.partial(v.strictObject({
    resumeWindowMs: milliseconds,
    maxDetachedSessions: count,
    connectTimeoutMs: milliseconds,
    maxQueueBytes: positive,
    highWaterBytes: positive,
    writeTimeoutMs: milliseconds,
    maxCommandsPerSecond: positiveOrInfinity,
    commandBurst: positive,
    maxPublishesPerSecond: positiveOrInfinity,
    publishBurst: positive,
    maxBytesPerSecond: positiveOrInfinity,
    byteBurst: positive,
    maxChannels: positiveOrInfinity,
    maxSubscriptions: positive,
    maxTrackedKeys: positive,
    maxPendingCommands: positive,
    maxMessageBytes: positive,
    hookTimeoutMs: milliseconds,
  })),
  v.check(
    (session) =>
      (session.highWaterBytes ?? SESSION_DEFAULTS.highWaterBytes) <=
        (session.maxQueueBytes ?? SESSION_DEFAULTS.maxQueueBytes),
    "highWaterBytes of at most maxQueueBytes",
  ),
  v.check(
    (session) =>
      (session.maxMessageBytes ?? SESSION_DEFAULTS.maxMessageBytes) <=
        (session.byteBurst ?? SESSION_DEFAULTS.byteBurst),
    "maxMessageBytes of at most byteBurst",
  ),
);

const subjectLimitsSchema = v.partial(v.strictObject({
  maxSessions: positiveOrInfinity,
  maxSubscriptions: positiveOrInfinity,
  maxPublishesPerSecond: positiveOrInfinity,
  maxBytesPerSecond: positiveOrInfinity,
  maxChannels: positiveOrInfinity,
}));

const tlsSchema = v.union([
  v.strictObject({
    certFile: path,
    keyFile: path,
    reloadIntervalMs: v.optional(milliseconds),
  }),
  v.strictObject({ cert: pem, key: pem }),
  v.strictObject({ developmentFolder: path }),
], "{ certFile, keyFile }, { cert, key } in PEM, or { developmentFolder }");

const redisUrl = v.pipe(
  v.string("a URL"),
  v.check(
    (text) => URL.canParse(text) && /^rediss?:\/\/[^/]/.test(text),
    "redis://host:port or rediss://host:port",
  ),
);
const redisUrls = v.pipe(
  v.array(redisUrl, "a list of URLs"),
  v.check((urls) => urls.length > 0, "one URL at least"),
);

const redisSchema = v.pipe(
  v.partial(v.strictObject({
    url: redisUrl,
    urls: redisUrls,
    sentinels: v.strictObject({
      urls: redisUrls,
      name: v.string("a name"),
      username: v.optional(v.string("a name")),
      password: v.optional(v.string("a password")),
    }),
    cluster: redisUrls,
    ca: pem,
    prefix: v.pipe(v.string("a text"), v.regex(/^[^{}]+$/, "a text without braces")),
    timeoutMs: positive,
    maxPendingBytes: positive,
    checkIntervalMs: v.pipe(milliseconds, v.check((ms) => ms >= 100, "100 milliseconds or more")),
    presenceTtlMs: v.pipe(milliseconds, v.check((ms) => ms >= 100, "100 milliseconds or more")),
  })),
  v.check(
    ({ url, urls, sentinels, cluster }) =>
      [url, urls, sentinels, cluster].filter((way) => way !== undefined).length === 1,
    "one of url, urls, sentinels and cluster",
  ),
);

const authKey = v.union(
  [v.string(), v.instance(Uint8Array), v.looseObject({ kty: v.string() })],
  "a secret, a PEM or a JSON Web Key",
);
const oneOrMore = v.union(
  [v.string(), v.array(v.string())],
  "a text or a list of texts",
);

const authSchema = v.pipe(
  v.partial(v.strictObject({
    key: v.union([authKey, v.array(authKey)], "a key or a list of keys"),
    jwksUrl: v.pipe(
      v.string("a URL"),
      v.check(
        (text) => URL.canParse(text) && isSafeToFetch(new URL(text)),
        "a URL of https, or of http on this machine",
      ),
    ),
    issuer: oneOrMore,
    audience: oneOrMore,
    clockToleranceMs: milliseconds,
    anonymous: flag,
    ticketTtlMs: v.pipe(milliseconds, v.check((ms) => ms <= 30_000, "0 to 30000 milliseconds")),
    maxTickets: positive,
  })),
  v.check(
    ({ key, jwksUrl }) => key !== undefined || jwksUrl !== undefined,
    "a key or a jwksUrl",
  ),
);

/** Whoever can change keys on their way can sign whatever they like. */
function isSafeToFetch({ protocol, hostname }: URL): boolean {
  return protocol === "https:" ||
    protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

const onFailure = v.picklist(["refuse", "allow"], '"refuse" or "allow"');

const webhooksSchema = v.pipe(
  v.partial(
    v.strictObject({
      url: v.pipe(
        v.string("a URL"),
        v.check(
          (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
          "a URL of https or http",
        ),
        v.check(
          (text) => new URL(text).username + new URL(text).password === "",
          "a URL without a name or password: requests are signed",
        ),
      ),
      secrets: v.pipe(v.array(secretKey), v.minLength(1, "one secret or more")),
      events: v.pipe(
        v.array(v.picklist(WEBHOOK_EVENTS, `one of ${WEBHOOK_EVENTS.join(", ")}`)),
        v.minLength(1, "one event or more"),
      ),
      namespaces: v.array(v.string("a name"), "a list of names"),
      timeoutMs: positive,
      onFailure: v.union([
        onFailure,
        v.partial(v.strictObject({
          connect: onFailure,
          subscribe: onFailure,
          publish: onFailure,
          rpc: onFailure,
        })),
      ], '"refuse", "allow", or one of them by event'),
      maxConcurrent: positive,
      maxWaiting: count,
      maxAnswerBytes: positive,
      attempts: positive,
      noticeAttempts: positive,
      maxNotices: positive,
      closeTimeoutMs: milliseconds,
      breakerFailures: positive,
      breakerOpenMs: v.pipe(milliseconds, v.minValue(1, "1 millisecond or more")),
      allowHttp: flag,
    }),
    [
      "namespaces",
      "timeoutMs",
      "onFailure",
      "maxConcurrent",
      "maxWaiting",
      "maxAnswerBytes",
      "attempts",
      "noticeAttempts",
      "maxNotices",
      "closeTimeoutMs",
      "breakerFailures",
      "breakerOpenMs",
      "allowHttp",
    ],
  ),
  v.forward(
    v.partialCheck(
      [["url"], ["allowHttp"]],
      ({ url, allowHttp }) => allowHttp === true || isPrivateOrSecure(new URL(url)),
      "a URL of https, or of http in a private network: anybody on the way could read what clients " +
        "do (allowHttp lets it be)",
    ),
    ["url"],
  ),
);

const webTransportSchema = v.partial(v.strictObject(Object.fromEntries(
  Object.keys(WEBTRANSPORT_DEFAULTS)
    .filter((name) => name !== "clock")
    .map((name) => [name, name.endsWith("Ms") ? milliseconds : count]),
)));

/** Names that a channel can have before its first `:`. */
const namespaceName = v.pipe(
  v.string(),
  v.regex(
    /^[^\s:$\p{C}][^\s:\p{C}]{0,254}$/u,
    "a name without colon or whitespace, and no $ in front",
  ),
);

const optionsSchema = v.partial(v.strictObject({
  hostname: v.pipe(
    v.string("a name or address"),
    v.check((text) => text !== "", "a name or address"),
  ),
  port: portNumber,
  developmentPort: v.union([portNumber, v.literal(false)], "a port, 0 to 65535, or false"),
  tls: tlsSchema,
  origins: v.pipe(
    v.partial(v.strictObject({
      allow: v.array(v.string("an origin"), "a list of origins"),
      allowNull: flag,
      allowMissing: flag,
    })),
    v.rawCheck(({ dataset, addIssue }) => {
      if (dataset.typed) attempt(() => new OriginPolicy(dataset.value as OriginOptions), addIssue);
    }),
  ),
  publicAddress: v.partial(v.strictObject({
    hostname: v.pipe(
      v.string("a name or address"),
      v.check(
        (text) =>
          /^[^/?#@\[\]\s]+$/.test(text) &&
          URL.canParse(`https://${text.includes(":") ? `[${text}]` : text}`),
        "a name or address",
      ),
    ),
    port: v.pipe(portNumber, v.minValue(1, "a port, 1 to 65535")),
  })),
  hstsMaxAgeSeconds: v.union([count, v.literal(false)], "a number of seconds, or false"),
  proxies: v.strictObject({
    trusted: v.pipe(
      v.array(v.string("an address or a range"), "a list of addresses"),
      v.rawCheck(({ dataset, addIssue }) => {
        if (dataset.typed) attempt(() => new TrustedAddresses(dataset.value), addIssue);
      }),
    ),
    header: v.optional(
      v.picklist(["forwarded", "x-forwarded-for"], '"forwarded" or "x-forwarded-for"'),
    ),
    headerOverHttp3: v.optional(flag),
    proxyProtocol: v.optional(flag),
  }),
  admission: v.pipe(
    v.partial(v.strictObject({
      ratePerSecond: v.number("a number above 0"),
      burst: v.number("a number from 1"),
      ratePerSecondPerAddress: v.number("a number from 1"),
      maxSessions: positiveOrInfinity,
      maxSessionsPerAddress: positiveOrInfinity,
    })),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const options = dataset.value as AdmissionOptions;
      attempt(() => new Admission(options, systemClock, systemRandom), addIssue);
    }),
  ),
  limits: v.partial(v.strictObject({ user: subjectLimitsSchema, address: subjectLimitsSchema })),
  namespaces: v.record(namespaceName, namespaceSchema),
  auth: authSchema,
  hooks: v.partial(v.strictObject({
    onConnect: callable,
    onSubscribe: callable,
    onPublish: callable,
    onRpc: callable,
    onDisconnect: callable,
  })),
  webhooks: webhooksSchema,
  metrics: v.union(
    [v.literal(false), v.partial(v.strictObject({ key: secretKey }))],
    `false, or an object with a key of ${MIN_KEY_LENGTH} characters or more`,
  ),
  api: v.partial(
    v.strictObject({
      keys: v.pipe(
        v.array(secretKey),
        v.minLength(1, "one key or more"),
      ),
      maxBodyBytes: positive,
      maxBatch: positive,
    }),
    ["maxBodyBytes", "maxBatch"],
  ),
  redis: redisSchema,
  session: sessionSchema,
  heartbeat: v.partial(v.strictObject({
    intervalMs: v.pipe(
      milliseconds,
      v.check((ms) => ms === 0 || ms >= 1000, "0, or 1000 milliseconds or more"),
    ),
    misses: positive,
  })),
  webtransport: webTransportSchema,
  rpc: v.record(v.string(), callable),
  fetch: callable,
  reconnectSpreadMs: milliseconds,
  onSlow: callable,
  log: callable,
  clock: v.looseObject({ now: callable, setTimeout: callable, clearTimeout: callable }),
  random: callable,
  now: callable,
}));

const serverSchema = v.pipe(
  optionsSchema,
  v.forward(
    v.partialCheck(
      [["tls"], ["developmentPort"]],
      ({ tls, developmentPort }) =>
        typeof developmentPort !== "number" || tls === undefined || "developmentFolder" in tls,
      "no port beside a certificate: it is for development mode",
    ),
    ["developmentPort"],
  ),
  v.forward(
    v.partialCheck(
      [["webhooks", "namespaces"], ["namespaces"]],
      // A name that is misspelt would never be asked about, and let everybody in.
      ({ webhooks, namespaces = {} }) =>
        webhooks?.namespaces?.every((name) => Object.hasOwn(namespaces, name)) ?? true,
      "not all of them are in namespaces",
    ),
    ["webhooks", "namespaces"],
  ),
  v.forward(
    v.partialCheck(
      [["webhooks", "timeoutMs"], ["session", "hookTimeoutMs"]],
      ({ webhooks, session }) => {
        const { hookTimeoutMs = SESSION_DEFAULTS.hookTimeoutMs } = session ?? {};
        const { timeoutMs = WEBHOOK_DEFAULTS.timeoutMs } = webhooks ?? {};
        return webhooks === undefined || hookTimeoutMs === 0 || timeoutMs < hookTimeoutMs;
      },
      "less than session.hookTimeoutMs, which would end it first",
    ),
    ["webhooks", "timeoutMs"],
  ),
);

/** Lets the policy that an option is for have the last word on it. */
function attempt(construct: () => unknown, addIssue: (issue: { message: string }) => void): void {
  try {
    construct();
  } catch (error) {
    addIssue({ message: error instanceof Error ? error.message : String(error) });
  }
}

function describe(issues: readonly v.BaseIssue<unknown>[]): string {
  const lines = issues.map((issue) => {
    const at = v.getDotPath(issue) ?? "options";
    if (issue.kind === "schema" && issue.expected === "never") return `  ${at}: unknown option`;
    if (issue.type === "raw_check" || issue.type === "partial_check") {
      return `  ${at}: ${issue.message}`;
    }
    const expected = issue.message.startsWith("Invalid ") ? issue.expected : issue.message;
    // What may hold a secret is not told.
    const secret = at === "tls.key" || at.startsWith("redis.") || at.startsWith("auth.key") ||
      at.startsWith("api.keys") || at.startsWith("webhooks.secrets") || at === "webhooks.url" ||
      at.startsWith("metrics");
    return `  ${at}: expected ${expected}, got ${secret ? "another text" : got(issue)}`;
  });
  return `Invalid options\n${lines.join("\n")}`;
}

function got({ input, received }: v.BaseIssue<unknown>): string {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return received;
  return `{ ${Object.keys(input).join(", ")} }`;
}

/** The defaults, but for what is said: an option that is `undefined` says nothing. */
function withDefaults<T extends object>(defaults: T, options: Partial<T> = {}): T {
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) };
}

/** Where nobody listens, trouble must still be seen. */
function logToStderr({ level, message, error }: LogEntry): void {
  if (level === "info") return;
  const detail = error instanceof Error ? `\n${error.stack ?? error}` : error ? `: ${error}` : "";
  Deno.stderr.writeSync(new TextEncoder().encode(`${level}: ${message}${detail}\n`));
}
