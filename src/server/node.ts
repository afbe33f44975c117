import { MemoryBroker } from "../broker/memory_broker.ts";
import { MemoryPresence } from "../broker/memory_presence.ts";
import { MemoryStore } from "../broker/memory_store.ts";
import { Cork } from "../hub/cork.ts";
import { Hub } from "../hub/hub.ts";
import { Namespaces } from "../hub/namespaces.ts";
import { Admission } from "../policy/admission.ts";
import { Heartbeat } from "../policy/heartbeat.ts";
import { TimerWheel } from "../policy/timer_wheel.ts";
import type { ResolvedOptions } from "../resolve_options.ts";
import { SessionRegistry } from "../session/session_registry.ts";

/** What a node is below its listeners: broker, channels and sessions. */
export interface Node {
  readonly hub: Hub;
  readonly sessions: SessionRegistry;
  /** Ends what is left when the sessions have ended. */
  close(): Promise<void>;
}

/** Puts a node together and starts it. */
export async function startNode(
  options: ResolvedOptions,
  onError: (error: unknown) => void,
): Promise<Node> {
  const { clock, random, now } = options;
  const broker = new MemoryBroker(new MemoryStore({ clock, random, now }));
  const presence = new MemoryPresence();
  const namespaces = new Namespaces(options.namespaces);
  const hub = new Hub({ broker, presence, namespaces, clock, random, onError });
  await hub.start();

  const wheel = new TimerWheel(clock);
  const sessions = new SessionRegistry({
    hub,
    cork: new Cork({ clock }),
    wheel,
    heartbeat: new Heartbeat(options.heartbeat, wheel, random),
    options: options.session,
    rpc: options.rpc,
    reconnectSpreadMs: options.reconnectSpreadMs,
    // The door judges the rate of transports; here sessions are counted, which outlive them.
    admission: new Admission({ ...options.admission, ratePerSecond: Infinity }, clock, random),
    random,
    onError,
  });

  return {
    hub,
    sessions,
    async close() {
      await presence.close();
      await broker.close();
    },
  };
}
