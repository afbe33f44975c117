import type { AdmissionOptions } from "./policy/admission.ts";
import type { Clock } from "./policy/clock.ts";
import type { OriginOptions } from "./policy/origin.ts";
import type { Random } from "./policy/random.ts";
import type { Subject, SubjectLimits } from "./policy/subject_limits.ts";
import type { Delivery } from "./protocol/message.ts";
import type { ApiOptions } from "./api/options.ts";
import type { AuthOptions } from "./auth/options.ts";
import type { ProxyOptions } from "./proxy/options.ts";
import type { Hooks } from "./session/hooks.ts";
import { CLOSED, type Permissions } from "./session/rights/permission.ts";
import type { RpcHandler } from "./session/session_info.ts";
import type { SlowSession } from "./session/delivery/slow_session.ts";
import type { WebhookOptions } from "./webhooks/options.ts";
import type { WebTransportOptions } from "./webtransport/options.ts";

/** How the channels of one namespace (the part of their name before the first `:`) behave. */
export interface NamespaceOptions {
  /**
   * `ordered`: every publication, in order, resumable. `latest`: the newest value of each key.
   * @default "ordered"
   */
  readonly delivery: Delivery;
  /**
   * Publications kept for recovery and history, in count; 0 keeps none.
   * @default 256
   */
  readonly historySize: number;
  /**
   * How long a publication is kept, in milliseconds.
   * @default 300000
   */
  readonly historyTtlMs: number;
  /**
   * Whether who is subscribed can be asked for, and is told by join and leave.
   * @default false
   */
  readonly presence: boolean;
  /**
   * What clients may do: `subscribe`, `publish`, `presence` and `history`, each `true`, `false`, a
   * rule or a function. What is not said is `false`; `OPEN` says `true` to all.
   * @default nothing
   */
  readonly permissions: Permissions;
  /**
   * What happens to an `ordered` subscriber over `maxQueueBytes`: `disconnect` closes its
   * transport with 3002, resumable; `gap` drops its oldest publications and says so.
   * @default "disconnect"
   */
  readonly overflow: "disconnect" | "gap";
  /**
   * A `latest` key that has been quiet for this time is delivered once more, reliably, to those
   * who got it by datagram and have not said so, in milliseconds; 0 never.
   * @default 250
   */
  readonly settleMs: number;
  /**
   * How old `latest` values may be when a client gets them, in milliseconds, before it is sent fewer
   * and newer ones; 0 never. Clients report it.
   * @default 500
   */
  readonly maxAgeMs: number;
  /**
   * Keys of a `latest` channel, in count; at the limit the key longest unchanged is forgotten.
   * @default 10000
   */
  readonly maxKeys: number;
  /**
   * How long a `latest` value is kept without a new one, in milliseconds.
   * @default 300000
   */
  readonly keyTtlMs: number;
}

/** {@linkcode NamespaceOptions} of which only some are said. */
export type NamespaceSettings = Partial<
  Omit<NamespaceOptions, "permissions"> & { readonly permissions: Partial<Permissions> }
>;

/** The namespace options where nothing is said. */
export const NAMESPACE_DEFAULTS: NamespaceOptions = {
  delivery: "ordered",
  historySize: 256,
  historyTtlMs: 300_000,
  presence: false,
  permissions: CLOSED,
  overflow: "disconnect",
  settleMs: 250,
  maxAgeMs: 500,
  maxKeys: 10_000,
  keyTtlMs: 300_000,
};

/** Limits of one session. Each protects the node from one peer. */
export interface SessionOptions {
  /**
   * How long a session waits for its client after losing a transport, in milliseconds; 0 ends it
   * with the transport.
   * @default 60000
   */
  readonly resumeWindowMs: number;
  /**
   * Sessions without a transport that the node keeps, in count; at the limit the one that has
   * waited longest ends.
   * @default 10000
   */
  readonly maxDetachedSessions: number;
  /**
   * How long a new transport may take until its `connect`, in milliseconds.
   * @default 10000
   */
  readonly connectTimeoutMs: number;
  /**
   * What may wait for one session, in bytes, with what its transport has taken and not sent;
   * beyond it the namespace's `overflow` decides.
   * @default 1048576
   */
  readonly maxQueueBytes: number;
  /**
   * What one lane may hand to its transport before the network has taken it, in bytes. Past it
   * publications wait in the queue, where they can be conflated or dropped.
   * @default 65536
   */
  readonly highWaterBytes: number;
  /**
   * How long the network may take nothing of what waits for a session, in milliseconds; then its
   * transport is closed with 3002, resumable. 0 waits for as long as the heartbeat does.
   * @default 30000
   */
  readonly writeTimeoutMs: number;
  /**
   * Commands of one session a second, publishing included; `Infinity` disables the limit. One too
   * many gets error 429, or is dropped if it wants no answer; but unacknowledged values of `latest`
   * keys wait, the newest of each. A client that goes on all the same is closed with 3505. The
   * default is what the fastest of mice has to say.
   * @default 1000
   */
  readonly maxCommandsPerSecond: number;
  /**
   * Commands of one session at once, after a quiet spell, in count. The default is more than a
   * client has to say when it comes back: all its subscriptions and all that was not answered.
   * @default 2000
   */
  readonly commandBurst: number;
  /**
   * Publishes of one session a second; `Infinity` leaves them to `maxCommandsPerSecond`, among which
   * they count. One too many fares as a command too many.
   * @default Infinity
   */
  readonly maxPublishesPerSecond: number;
  /**
   * Publishes of one session at once, after a quiet spell, in count.
   * @default 2000
   */
  readonly publishBurst: number;
  /**
   * What one session may send a second, in bytes of its messages; `Infinity` disables the limit. A
   * message too many fares as a command too many. The default is sixteen of the largest.
   * @default 1048576
   */
  readonly maxBytesPerSecond: number;
  /**
   * What one session may send at once, after a quiet spell, in bytes; no less than
   * `maxMessageBytes`.
   * @default 4194304
   */
  readonly byteBurst: number;
  /**
   * Channels that one session may publish to within a minute, in count: each takes memory, or Redis,
   * for as long as its history is kept. `Infinity` disables the limit. One more gets error 429.
   * @default 128
   */
  readonly maxChannels: number;
  /**
   * Subscriptions of one session, in count.
   * @default 128
   */
  readonly maxSubscriptions: number;
  /**
   * Keys that one subscription to a `latest` channel may name, in count.
   * @default 4096
   */
  readonly maxTrackedKeys: number;
  /**
   * Commands of one session that wait for an answer at once, in count.
   * @default 128
   */
  readonly maxPendingCommands: number;
  /**
   * One message from a client, in bytes.
   * @default 65536
   */
  readonly maxMessageBytes: number;
  /**
   * How long the app may take for a hook or a permission, in milliseconds; then what was asked for
   * is refused with 503. 0 waits for ever.
   * @default 5000
   */
  readonly hookTimeoutMs: number;
}

export const SESSION_DEFAULTS: SessionOptions = {
  resumeWindowMs: 60_000,
  maxDetachedSessions: 10_000,
  connectTimeoutMs: 10_000,
  maxQueueBytes: 1_048_576,
  highWaterBytes: 65_536,
  writeTimeoutMs: 30_000,
  maxCommandsPerSecond: 1000,
  commandBurst: 2000,
  maxPublishesPerSecond: Infinity,
  publishBurst: 2000,
  maxBytesPerSecond: 1_048_576,
  byteBurst: 4_194_304,
  maxChannels: 128,
  maxSubscriptions: 128,
  maxTrackedKeys: 4096,
  maxPendingCommands: 128,
  maxMessageBytes: 65_536,
  hookTimeoutMs: 5000,
};

/** When a peer is asked whether it is there, and when it is taken for dead. */
export interface HeartbeatOptions {
  /**
   * A peer quiet for this time is pinged, in milliseconds; 0 turns heartbeats off. The default is as
   * seldom as browsers allow: Chromium gives a WebTransport session up after 30 s of silence.
   * @default 20000
   */
  readonly intervalMs: number;
  /**
   * Intervals without any traffic that a peer is granted after the first, in count: it is dead
   * after `intervalMs × (misses + 1)`.
   * @default 3
   */
  readonly misses: number;
}

export const HEARTBEAT_DEFAULTS: HeartbeatOptions = { intervalMs: 20_000, misses: 3 };

/**
 * The Redis that nodes share: exactly one of `url`, `urls`, `sentinels` and `cluster`. A URL is
 * `redis://user:password@host:port/db`, or `rediss://` for TLS; every part but the host may be left
 * out.
 */
export interface RedisOptions {
  /** One server. */
  readonly url?: string;
  /**
   * Several independent servers, over which channels are spread. All nodes must name the same; the
   * order does not matter. Adding one moves its share of the channels, which begin anew there.
   */
  readonly urls?: readonly string[];
  /** A server that Sentinels watch over and replace. */
  readonly sentinels?: RedisSentinels;
  /** Some nodes of a Redis Cluster (Redis 7 or later, for sharded pub/sub); the others are found. */
  readonly cluster?: readonly string[];
  /**
   * The certificate to trust under `rediss://`, in PEM, in place of the system's.
   * @default the system's
   */
  readonly ca?: string;
  /**
   * What begins the name of every key and channel in Redis, so that others can share it.
   * @default "slipstream"
   */
  readonly prefix?: string;
  /**
   * How long Redis may take for a command, in milliseconds; then it counts as out of reach, and
   * publishers are told so.
   * @default 5000
   */
  readonly timeoutMs?: number;
  /**
   * What may wait for Redis at once, in bytes of publications; beyond it publishers get a 503.
   * @default 67108864
   */
  readonly maxPendingBytes?: number;
  /**
   * How often the node asks whether it has missed something without noticing, in milliseconds.
   * @default 30000
   */
  readonly checkIntervalMs?: number;
  /**
   * How long the members of a node that died stay present, and its sessions count against `limits`,
   * in milliseconds.
   * @default 60000
   */
  readonly presenceTtlMs?: number;
}

/** The Sentinels of one server, and what it takes to reach both. */
export interface RedisSentinels {
  /** Their URLs; `rediss://` for all means TLS to them and to the server. */
  readonly urls: readonly string[];
  /** What they call the server. */
  readonly name: string;
  /** The server's own user; the Sentinels' is in their URLs. */
  readonly username?: string;
  readonly password?: string;
}

/** Certificate and key in files, which are read again when they change. */
export interface TlsFiles {
  /** Path of the chain in PEM, the server's own certificate first. */
  readonly certFile: string;
  /** Path of the private key in PEM. */
  readonly keyFile: string;
  /**
   * How often the files are looked at, in milliseconds; 0 never. A changed pair is served to new
   * peers; one that does not fit together is logged, and the pair before it stays.
   * @default 10000
   */
  readonly reloadIntervalMs?: number;
}

/** Certificate and key themselves, in PEM. */
export interface TlsPem {
  readonly cert: string;
  readonly key: string;
}

/** Development mode: a certificate that browsers take by its hash, made and renewed by the server. */
export interface TlsDevelopment {
  /**
   * The folder that the certificate is kept in, so that the next start finds it.
   * @default "certs"
   */
  readonly developmentFolder: string;
}

/** Who may read `/metrics`. */
export interface MetricsOptions {
  /**
   * Whoever has it, in `Authorization: Bearer <key>`, may; 32 characters or more.
   * @default none: only programs on this machine may
   */
  readonly key?: string;
}

/** What `log` is told. */
export interface LogEntry {
  readonly level: "info" | "warn" | "error";
  /** One sentence without a final period. */
  readonly message: string;
  readonly error?: unknown;
}

/** Who sent a request to the app's own routes. */
export interface RequestInfo {
  /** IP address of the client, without a port: what `proxies` make of it. */
  readonly address: string;
}

/** Where a balancer has a node. */
export interface PublicAddress {
  /** A name or an address. */
  readonly hostname?: string;
  /** A UDP port. */
  readonly port?: number;
}

/** Everything that a server can be told. All of it is optional. */
export interface ServerOptions {
  /**
   * The name or address to listen on; `"::"` for every address of the machine.
   * @default "localhost" in development mode, else "::"
   */
  readonly hostname?: string;
  /**
   * The port for TCP (HTTPS, WSS, SSE) and UDP (HTTP/3, WebTransport) alike; 0 takes a free one.
   * @default 4433
   */
  readonly port?: number;
  /**
   * In development mode the port of `http://localhost`, loopback only, with the pages and the
   * fallbacks, so that nobody meets a certificate warning; 0 takes a free one, `false` disables it.
   * @default 8080
   */
  readonly developmentPort?: number | false;
  /**
   * The certificate: files, PEM texts, or development mode.
   * @default { developmentFolder: "certs" }
   */
  readonly tls?: TlsFiles | TlsPem | TlsDevelopment;
  /**
   * Which web pages may come, besides the server's own.
   * @default {} own pages only
   */
  readonly origins?: OriginOptions;
  /**
   * The proxies and balancers in front of the node, and how they say whose request it is.
   * @default none: the client is who the socket is from
   */
  readonly proxies?: ProxyOptions;
  /**
   * Where clients reach this node over HTTP/3 and WebTransport: what `/rt/info` tells them where a
   * balancer has another port or name than the node.
   * @default the host that they reached it by, and `port`
   */
  readonly publicAddress?: PublicAddress;
  /**
   * How long browsers keep to https for the whole host, other ports included, after any response
   * over TLS (`Strict-Transport-Security`), in seconds; 0 has them forget it, `false` says nothing.
   * @default 15552000 (180 days), in development mode false
   */
  readonly hstsMaxAgeSeconds?: number | false;
  /** How many sessions the node takes, and how fast. */
  readonly admission?: AdmissionOptions;
  /** What all sessions of one user, and of one address, may use together, on all nodes. */
  readonly limits?: Readonly<Partial<Record<Subject, Partial<SubjectLimits>>>>;
  /**
   * The namespaces of channels, by the part of their name before the first `:`. A channel whose
   * namespace is not here does not exist.
   * @default {}
   */
  readonly namespaces?: Readonly<Record<string, NamespaceSettings>>;
  /**
   * How clients prove who they are.
   * @default nobody does, and nobody is asked to
   */
  readonly auth?: AuthOptions;
  /**
   * What the app is asked before clients connect, subscribe, publish or call, and told when they
   * go.
   * @default {}
   */
  readonly hooks?: Hooks;
  /**
   * A backend that is asked the same by signed HTTP requests, after the hooks and about what they
   * have made of it.
   * @default none
   */
  readonly webhooks?: WebhookOptions;
  /**
   * The HTTP API by which backends publish, under `/api/`.
   * @default none: `/api/` is the app's own
   */
  readonly api?: ApiOptions;
  /**
   * Who may read `/metrics`, in the text format of Prometheus; `false`: nobody. Behind a proxy on
   * this machine every request comes from this machine: set a `key`.
   * @default {} programs on this machine
   */
  readonly metrics?: MetricsOptions | false;
  /**
   * The Redis that this node shares with others: what is published on one reaches the subscribers
   * of all.
   * @default none: the node stands alone
   */
  readonly redis?: RedisOptions;
  /** Limits of each session. */
  readonly session?: Partial<SessionOptions>;
  /** How dead peers are found. */
  readonly heartbeat?: Partial<HeartbeatOptions>;
  /** Limits of HTTP/3 and WebTransport. */
  readonly webtransport?: Partial<Omit<WebTransportOptions, "clock">>;
  /**
   * Methods that clients may call, by name.
   * @default {}
   */
  readonly rpc?: Readonly<Record<string, RpcHandler>>;
  /**
   * The app's own routes: everything outside `/rt/` and `/slipstream.*`, over TCP and HTTP/3.
   * @default the pages that come with Slipstream
   */
  readonly fetch?: (request: Request, info: RequestInfo) => Response | Promise<Response>;
  /**
   * Over how long, at least, clients spread their return after they lost the server unannounced, in
   * milliseconds; with many sessions it grows to 1.25 × sessions ÷ `admission.ratePerSecond`. 0 lets
   * them come at once.
   * @default 5000
   */
  readonly reconnectSpreadMs?: number;
  /**
   * Is told of sessions that read more slowly than is sent to them. What it throws is logged.
   * @default nobody is told
   */
  readonly onSlow?: (slow: SlowSession) => void;
  /**
   * Is told what an operator should know.
   * @default warnings and errors go to standard error
   */
  readonly log?: (entry: LogEntry) => void;
  /** Time; a test injects its own. */
  readonly clock?: Clock;
  /** Chance; a test injects its own. */
  readonly random?: Random;
  /** Milliseconds since 1970, for certificates and publications; a test injects its own. */
  readonly now?: () => number;
}
