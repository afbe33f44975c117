import type { Cork } from "../hub/cork.ts";
import type { Hub } from "../hub/hub.ts";
import type { SessionOptions } from "../options.ts";
import type { Heartbeat } from "../policy/heartbeat.ts";
import type { TimerWheel } from "../policy/timer_wheel.ts";
import type { Access } from "./rights/access.ts";
import type { Hooks } from "./hooks.ts";
import type { RpcHandler } from "./session_info.ts";

/** What all sessions of a node share. */
export interface SessionContext {
  readonly hub: Hub;
  readonly cork: Cork;
  readonly wheel: TimerWheel;
  readonly heartbeat: Heartbeat;
  readonly options: SessionOptions;
  /** Reads who clients are. */
  readonly access: Access;
  /** What the app is asked. */
  readonly hooks: Hooks;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What clients may call, by method. */
  readonly rpc: Readonly<Record<string, RpcHandler>>;
  /** Over how long clients spread their return after they lost the node, in milliseconds. */
  readonly reconnectSpreadMs: number;
  /** Is told of failures that no client can be told. */
  readonly onError: (error: unknown) => void;
}
