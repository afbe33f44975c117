/**
 * Slipstream: a realtime server for browsers. One origin serves WebTransport, WebSocket and SSE;
 * clients keep their session across all three.
 *
 * ```ts
 * import { OPEN, serve } from "@slipstream/server";
 *
 * const server = await serve({
 *   namespaces: {
 *     chat: { presence: true, permissions: OPEN },
 *     quotes: { delivery: "latest", permissions: { subscribe: true } },
 *   },
 * });
 * await server.publish("quotes:fx", { bid: 1.0843 }, { key: "EURUSD" });
 * ```
 *
 * It needs Deno with `--unstable-net` (or `"unstable": ["net"]` in deno.json).
 *
 * @module
 */

export { serve } from "./server/serve.ts";
export type { ChannelInfo, Pressure, SlipstreamServer } from "./server/slipstream_server.ts";
export type { ChannelListener } from "./server/server_subscription.ts";
export type { DisconnectOptions, DisconnectTarget } from "./server/disconnects.ts";
export type { OriginRefusals } from "./server/origin_gate.ts";
export type { WebTransportRoute } from "./server/webtransport_entrance.ts";
export type {
  HeartbeatOptions,
  LogEntry,
  MetricsOptions,
  NamespaceOptions,
  NamespaceSettings,
  PublicAddress,
  RedisOptions,
  RedisSentinels,
  RequestInfo,
  ServerOptions,
  SessionOptions,
  TlsDevelopment,
  TlsFiles,
  TlsPem,
} from "./options.ts";
export type { Capacity } from "./capacity/capacity.ts";
export type { Limits } from "./capacity/limits.ts";
export type { RedisShardState, RedisState } from "./broker/redis_broker.ts";
export type { AdmissionOptions } from "./policy/admission.ts";
export type { Subject, SubjectLimits } from "./policy/subject_limits.ts";
export type { OriginOptions, OriginRefusal } from "./policy/origin.ts";
export type { ProxyOptions } from "./proxy/options.ts";
export { CloseCode } from "./protocol/close_code.ts";
export { CommandError, ErrorCode } from "./protocol/error_code.ts";
export type { Payload, Position, Publication } from "./protocol/message.ts";
export type { ServerInfo } from "./protocol/server_info.ts";
export type { Claims } from "./session/rights/access.ts";
export type {
  ConnectChanges,
  ConnectRequest,
  Hooks,
  PublishChanges,
  PublishRequest,
  RpcRequest,
} from "./session/hooks.ts";
export {
  OPEN,
  type Permission,
  type PermissionHook,
  type PermissionRequest,
  type PermissionRule,
  type Permissions,
} from "./session/rights/permission.ts";
export { type VerifyOptions, verifyWebhook, type WebhookDelivery } from "./webhooks/verify.ts";
export type { WebhookEvent, WebhookOptions } from "./webhooks/options.ts";
export type {
  ConnectAnswer,
  PublishAnswer,
  RpcAnswer,
  SubscribeAnswer,
} from "./webhooks/answer.ts";
export type { ApiOptions } from "./api/options.ts";
export type { AuthKey, AuthOptions } from "./auth/options.ts";
export type { LimitCounts, LimitName } from "./session/limits/limit_name.ts";
export type { RpcHandler, SessionInfo } from "./session/session_info.ts";
export type { SlowSession } from "./session/delivery/slow_session.ts";
export type { WebTransportRequest, WebTransportSession } from "./webtransport/mod.ts";
