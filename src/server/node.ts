import { MemoryBroker } from "../broker/memory_broker.ts";
import { MemoryPresence } from "../broker/memory_presence.ts";
import { MemoryStore } from "../broker/memory_store.ts";
import { Authenticator } from "../auth/authenticator.ts";
import { TokenVerifier } from "../auth/verifier.ts";
import type { Broker } from "../broker/broker.ts";
import type { LimitStore } from "../broker/limit_store.ts";
import { MemoryOnceStore, type OnceStore } from "../broker/once_store.ts";
import type { Presence } from "../broker/presence.ts";
import type { RedisState } from "../broker/redis_broker.ts";
import { Cork } from "../hub/cork.ts";
import { Hub } from "../hub/hub.ts";
import { Namespaces } from "../hub/namespaces.ts";
import { Admission } from "../policy/admission.ts";
import { Heartbeat } from "../policy/heartbeat.ts";
import { TimerWheel } from "../policy/timer_wheel.ts";
import type { ResolvedOptions } from "../resolve_options.ts";
import { NO_ACCESS } from "../session/rights/access.ts";
import { Disconnects } from "./disconnects.ts";
import { loadRedis } from "./load_redis.ts";
import { NodeMail } from "./node_mail.ts";
import type { SessionStore } from "../broker/session_store.ts";
import { Limits } from "../session/limits/limits.ts";
import { type Handover, NODE_NAME_LENGTH } from "../session/travel/nodes.ts";
import type { ResolvedWebhookOptions } from "../webhooks/options.ts";
import { composeHooks } from "../webhooks/compose.ts";
import { Webhooks } from "../webhooks/webhooks.ts";
import { decodeRecord, encodeRecord } from "../session/travel/session_record.ts";
import { SessionDirectory } from "../session/travel/session_directory.ts";
import { SessionRegistry } from "../session/session_registry.ts";
import { RefusalLog } from "./refusal_log.ts";

/** What a node is below its listeners: broker, channels and sessions. */
export interface Node {
  readonly hub: Hub;
  readonly sessions: SessionRegistry;
  /** `undefined` where nobody proves who they are. */
  readonly authenticator: Authenticator | undefined;
  readonly disconnects: Disconnects;
  /** How Redis is; `undefined` where the node stands alone. */
  readonly redis: () => RedisState | undefined;
  /** The backend that is asked by HTTP; `undefined` where there is none. */
  readonly webhooks: Webhooks | undefined;
  /** What goes from node to node; `undefined` where the node stands alone. */
  readonly mail: NodeMail | undefined;
  /** Ends what is left when the sessions have ended. */
  close(): Promise<void>;
}

/** Puts a node together and starts it. */
export async function startNode(
  options: ResolvedOptions,
  ratePerSecond: number,
  onError: (error: unknown) => void,
): Promise<Node> {
  const { clock, random, now } = options;
  const verifier = options.auth &&
    await TokenVerifier.open({ ...options.auth, clock, now, onError });
  const name = nodeName();
  const parts = await openBroker(options, name, onError);
  const { broker, presence, tickets, store, redis } = parts;
  const namespaces = new Namespaces(options.namespaces);
  const hub = new Hub({ broker, presence, namespaces, clock, random, onError });
  await hub.start();

  const authenticator = verifier && new Authenticator({
    auth: options.auth!,
    verifier,
    tickets,
    clock,
    now,
  });
  const webhooks = options.webhooks && openWebhooks(options.webhooks, options);
  const wheel = new TimerWheel(clock);
  const limits = new Limits({ limits: options.limits, store: parts.limits, clock, onError });
  const sessions = new SessionRegistry({
    hub,
    cork: new Cork({ clock }),
    wheel,
    heartbeat: new Heartbeat(options.heartbeat, wheel, random),
    options: options.session,
    access: authenticator ?? NO_ACCESS,
    hooks: webhooks === undefined ? options.hooks : composeHooks(options.hooks, webhooks.hooks),
    now: options.now,
    rpc: options.rpc,
    reconnectSpreadMs: options.reconnectSpreadMs,
    returnsPerSecond: ratePerSecond,
    limits,
    // The door judges the rate of transports; here sessions are counted, which outlive them.
    admission: new Admission(
      { ...options.admission, ratePerSecond: Infinity, ratePerSecondPerAddress: Infinity },
      clock,
      random,
    ),
    random,
    onError,
    ...(options.onSlow && { onSlow: options.onSlow }),
  });

  const mail = store && await NodeMail.open({ hub, name, clock, onError });
  if (mail !== undefined) {
    sessions.directory = connectNodes(mail, store!, sessions, options, onError);
  }
  const shared = options.redis !== undefined;
  const disconnects = await Disconnects.open({ hub, sessions, authenticator, shared, onError });
  return {
    hub,
    sessions,
    authenticator,
    disconnects,
    webhooks,
    mail,
    redis,
    async close() {
      limits.close();
      await sessions.directory?.close();
      mail?.close();
      await presence.close();
      await broker.close();
    },
  };
}

function openWebhooks(
  options: ResolvedWebhookOptions,
  { clock, random, now, log }: ResolvedOptions,
): Webhooks {
  const lines = new RefusalLog(log, clock);
  return new Webhooks({
    options,
    clock,
    random,
    now,
    warn: (message) => lines.warn(message),
    info: (message) => log({ level: "info", message }),
  });
}

async function openBroker(
  { redis, clock, random, now, auth }: ResolvedOptions,
  node: string,
  onError: (error: unknown) => void,
): Promise<{
  broker: Broker;
  presence: Presence;
  tickets: OnceStore;
  /** Where other nodes find sessions; `undefined` where there are none. */
  store: SessionStore | undefined;
  /** Where nodes count together; `undefined` where this one is alone. */
  limits: LimitStore | undefined;
  redis: () => RedisState | undefined;
}> {
  if (redis === undefined) {
    const broker = new MemoryBroker(new MemoryStore({ clock, random, now }));
    const tickets = new MemoryOnceStore(clock, auth?.maxTickets ?? 10_000);
    const presence = new MemoryPresence();
    const redis = () => undefined;
    return { broker, presence, tickets, store: undefined, limits: undefined, redis };
  }
  const { RedisBroker, RedisLimitStore, RedisOnceStore, RedisPresence, RedisSessionStore } =
    await loadRedis();
  const broker = new RedisBroker({ redis, clock, random, onError });
  const ttlMs = redis.presenceTtlMs ?? 60_000;
  const presence = new RedisPresence({ broker, clock, random, ttlMs });
  const tickets = new RedisOnceStore(broker);
  const store = new RedisSessionStore(broker);
  const limits = new RedisLimitStore({ broker, node, ttlMs });
  return { broker, presence, tickets, store, limits, redis: () => broker.state() };
}

/** Lets sessions go on at other nodes, and theirs here. */
function connectNodes(
  mail: NodeMail,
  store: SessionStore,
  sessions: SessionRegistry,
  { clock, session: { resumeWindowMs } }: ResolvedOptions,
  onError: (error: unknown) => void,
): SessionDirectory {
  mail.handle(
    "release",
    ({ session, ticketHash }: { session: string; ticketHash: string }) =>
      packHandover(sessions.release(session, ticketHash)),
  );
  return new SessionDirectory({
    store,
    nodes: {
      name: mail.name,
      release: async (node, session, ticketHash) =>
        unpackHandover(
          await mail.request(node, "release", { session, ticketHash }) as
            | PackedHandover
            | undefined,
        ),
    },
    clock,
    resumeWindowMs,
    sessions: sessions.all,
    onMoved: (id) => sessions.moved(id),
    onError,
  });
}

/** A handover as JSON, in which a record is text. */
type PackedHandover = "refused" | Omit<Handover, "record"> & { readonly record: string };

function packHandover(handover: Handover | "refused"): PackedHandover {
  return handover === "refused" ? handover : { ...handover, record: encodeRecord(handover.record) };
}

function unpackHandover(packed: PackedHandover | undefined): Handover | "refused" | undefined {
  return packed === undefined || packed === "refused"
    ? packed
    : { ...packed, record: decodeRecord(packed.record) };
}

function nodeName(): string {
  return crypto.getRandomValues(new Uint8Array(NODE_NAME_LENGTH / 2)).toHex();
}
