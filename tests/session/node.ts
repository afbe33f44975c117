import type { Broker } from "../../src/broker/broker.ts";
import { MemoryBroker } from "../../src/broker/memory_broker.ts";
import { MemoryPresence, type MemoryPresenceStore } from "../../src/broker/memory_presence.ts";
import type { LimitStore } from "../../src/broker/limit_store.ts";
import { MemoryStore } from "../../src/broker/memory_store.ts";
import { Cork } from "../../src/hub/cork.ts";
import { Hub } from "../../src/hub/hub.ts";
import { Namespaces } from "../../src/hub/namespaces.ts";
import {
  NAMESPACE_DEFAULTS,
  type NamespaceOptions,
  SESSION_DEFAULTS,
  type SessionOptions,
} from "../../src/options.ts";
import { type Access, NO_ACCESS } from "../../src/session/rights/access.ts";
import type { Hooks } from "../../src/session/hooks.ts";
import { Limits } from "../../src/session/limits/limits.ts";
import { OPEN } from "../../src/session/rights/permission.ts";
import { Admission, type AdmissionOptions } from "../../src/policy/admission.ts";
import {
  type Subject,
  SUBJECT_LIMITS_DEFAULTS,
  type SubjectLimits,
} from "../../src/policy/subject_limits.ts";
import { Heartbeat } from "../../src/policy/heartbeat.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { TimerWheel } from "../../src/policy/timer_wheel.ts";
import type { Payload } from "../../src/protocol/message.ts";
import type { RpcHandler } from "../../src/session/session_info.ts";
import { SessionRegistry } from "../../src/session/session_registry.ts";
import type { SlowSession } from "../../src/session/delivery/slow_session.ts";
import { FakeClock, settle } from "../fake_clock.ts";

export interface NodeOptions {
  readonly namespaces?: Record<string, Partial<NamespaceOptions>>;
  readonly session?: Partial<SessionOptions>;
  readonly admission?: AdmissionOptions;
  readonly limits?: Partial<Record<Subject, Partial<SubjectLimits>>>;
  readonly limitStore?: LimitStore;
  readonly reconnectSpreadMs?: number;
  readonly access?: Access;
  readonly hooks?: Hooks;
  readonly rpc?: Record<string, RpcHandler>;
  readonly onSlow?: (slow: SlowSession) => void;
  readonly clock?: FakeClock;
  readonly store?: MemoryStore;
  readonly presence?: MemoryPresenceStore;
  /** Puts something between the hub and its broker. */
  readonly broker?: (inner: Broker) => Broker;
}

/** A whole node but for its listeners, whose time and turns a test moves. */
export class TestNode {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  readonly hub: Hub;
  readonly sessions: SessionRegistry;
  readonly limits: Limits;
  readonly errors: unknown[] = [];
  #scheduled: (() => void)[] = [];

  constructor(options: NodeOptions = {}) {
    const clock = this.clock = options.clock ?? new FakeClock();
    const random = seededRandom(7);
    this.store = options.store ?? createStore(clock);
    const inner = new MemoryBroker(this.store);
    const onError = (error: unknown) => this.errors.push(error);
    this.hub = new Hub({
      broker: options.broker?.(inner) ?? inner,
      presence: new MemoryPresence(options.presence),
      namespaces: createNamespaces(options.namespaces),
      clock,
      random,
      onError,
    });
    const wheel = new TimerWheel(clock);
    this.limits = new Limits({
      limits: {
        user: { ...SUBJECT_LIMITS_DEFAULTS.user, ...options.limits?.user },
        address: { ...SUBJECT_LIMITS_DEFAULTS.address, ...options.limits?.address },
      },
      store: options.limitStore,
      clock,
      onError,
    });
    this.sessions = new SessionRegistry({
      hub: this.hub,
      cork: new Cork({ clock, schedule: (callback) => this.#scheduled.push(callback) }),
      wheel,
      heartbeat: new Heartbeat({}, wheel, random),
      options: { ...SESSION_DEFAULTS, ...options.session },
      access: options.access ?? NO_ACCESS,
      hooks: options.hooks ?? {},
      now: () => this.clock.now(),
      rpc: options.rpc ?? {},
      reconnectSpreadMs: options.reconnectSpreadMs ?? 5000,
      returnsPerSecond: 500,
      onError,
      ...(options.onSlow && { onSlow: options.onSlow }),
      limits: this.limits,
      admission: new Admission(options.admission ?? {}, clock, random),
      random,
    });
  }

  async start(): Promise<this> {
    await this.hub.start();
    return this;
  }

  /** Lets everything under way happen, as in the turns of the event loop that follow. */
  async turn(): Promise<void> {
    await settle();
    while (this.#scheduled.length > 0) {
      this.flush();
      await settle();
    }
  }

  /** Ends one turn of the event loop. */
  flush(): void {
    const scheduled = this.#scheduled;
    this.#scheduled = [];
    for (const callback of scheduled) callback();
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advanceAsync(ms);
    await this.turn();
  }

  /** Publishes text from the server, under a key if one is given. */
  async publish(channel: string, value: string, key?: string): Promise<void> {
    await this.hub.publish({ channel, data: text(value), ...(key !== undefined && { key }) });
  }

  async close(): Promise<void> {
    this.sessions.close();
    this.limits.close();
    const { channels } = this.hub;
    await this.hub.close();
    if (channels > 0) throw new Error(`Channels are left on the node: ${channels}`);
  }
}

/** Two namespaces that most tests need, and what they add; open, where they do not say otherwise. */
export function createNamespaces(options: NodeOptions["namespaces"] = {}): Namespaces {
  const all = { chat: { presence: true }, cursors: { delivery: "latest" as const }, ...options };
  return new Namespaces(Object.fromEntries(
    Object.entries(all).map(([name, namespace]) => [
      name,
      { ...NAMESPACE_DEFAULTS, permissions: OPEN, ...namespace },
    ]),
  ));
}

export function createStore(clock: FakeClock): MemoryStore {
  return new MemoryStore({ clock, random: seededRandom(11), now: () => 1.7e12 + clock.now() });
}

export function text(value: string): Payload {
  return { format: "binary", bytes: new TextEncoder().encode(value) };
}

export function textOf(payload: Payload): string {
  return new TextDecoder().decode(payload.bytes);
}
