import { createApi } from "../api/api.ts";
import { type Capacity, capacityOf, defaultMaxSessions } from "../capacity/capacity.ts";
import { RELAY_COST } from "../capacity/session_cost.ts";
import { readLimits } from "../capacity/read_limits.ts";
import { ResourceGuard } from "../capacity/resource_guard.ts";
import type { PublicAddress, ServerOptions } from "../options.ts";
import { Admission, DEFAULT_RATE_PER_SECOND } from "../policy/admission.ts";
import { OriginPolicy } from "../policy/origin.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { ServerInfo } from "../protocol/server_info.ts";
import { ClientAddresses } from "../proxy/client_address.ts";
import { type ResolvedOptions, resolveOptions } from "../resolve_options.ts";
import { type PostAnswer, SseHandler } from "../transport/sse_handler.ts";
import { TRANSPORT_DEFAULTS } from "../transport/transport_options.ts";
import { WebSocketHandler } from "../transport/websocket.ts";
import { WebTransportHandler } from "../transport/webtransport.ts";
import { developmentHostnames, isWildcard, openCertificates, urlHost } from "./certificates.ts";
import { Door } from "./door.ts";
import { Listeners } from "./listeners.ts";
import { startNode } from "./node.ts";
import { Metrics } from "./metrics.ts";
import { OriginGate } from "./origin_gate.ts";
import { RefusalLog } from "./refusal_log.ts";
import { MAX_RELAYS } from "./proxy_listener.ts";
import { createRouter } from "./router.ts";
import { SecurityHeaders } from "./security_headers.ts";
import { SlipstreamServer } from "./slipstream_server.ts";
import { SocketWatch } from "./socket_watch.ts";
import { StreamingSockets } from "./streaming_sockets.ts";
import { WebTransportEntrance } from "./webtransport_entrance.ts";

/**
 * Starts a server.
 *
 * @throws {TypeError} If an option is wrong, naming each; or if the certificate is missing or does
 * not fit its key, naming the file.
 * @throws {Error} If Redis cannot be reached, naming where.
 * @throws {Deno.errors.AddrInUse} If a port is in use, with what to do about it.
 */
export async function serve(options: ServerOptions = {}): Promise<SlipstreamServer> {
  const checked = resolveOptions(options);
  const capacity = capacityOf(
    readLimits(),
    checked.proxies.proxyProtocol ? RELAY_COST : undefined,
  );
  const resolved = withMaxSessions(checked, capacity);
  const { clock, random, log } = resolved;
  const onError = (error: unknown) => log({ level: "error", message: "Unexpected error", error });
  const certificates = await openCertificates(resolved);
  const ratePerSecond = resolved.admission.ratePerSecond ?? DEFAULT_RATE_PER_SECOND;
  const node = await startNode(resolved, ratePerSecond, onError);
  const door = new Door({
    admission: new Admission(resolved.admission, clock, random),
    guard: new ResourceGuard({
      capacity,
      maxSessions: resolved.admission.maxSessions,
      measure: Deno.memoryUsage,
      clock,
      onNear: (message) => log({ level: "warn", message }),
    }),
    accept: node.sessions.accept,
    ratePerSecond,
    clock,
    random,
  });

  const addresses = new ClientAddresses(resolved.proxies);

  // The origins of the server's own pages have the ports that the system gives. Nothing comes in
  // before this turn of the event loop ends, by which time everything below is there.
  let listeners: Listeners;
  try {
    listeners = Listeners.open(resolved, certificates.current, {
      onRequest: (request, via) => router(request, via),
      onWebTransport: (request) => entrance.receive(request),
      onError,
      isProxy: (address) => addresses.isProxy(address),
      maxRelays: Math.min(
        MAX_RELAYS,
        Math.floor(capacity.share.descriptors / (1 + RELAY_COST.descriptors)),
      ),
      userTimeoutMs: Math.max(
        resolved.session.writeTimeoutMs,
        node.sessions.heartbeat.intervalMs * (node.sessions.heartbeat.misses + 1),
      ),
      onUnset: (reason) =>
        log({
          level: "warn",
          message: "WebSocket and SSE over TLS hold a message back until the one before it was " +
            "acknowledged, sockets that nobody reads stay, and one that brings no message may fill " +
            `the memory: ${reason}`,
        }),
    });
  } catch (error) {
    await node.close();
    await node.webhooks?.close();
    throw error;
  }
  const gate = new OriginGate(
    new OriginPolicy(resolved.origins, ownOrigins(resolved, listeners)),
    new RefusalLog(log, clock),
  );
  const { maxMessageBytes, highWaterBytes } = resolved.session;
  const transportOptions = { maxMessageBytes, highWaterBytes, clock, random, onError };
  const infoFor = (host: string) => {
    // TCP tries every address of a name, but Chromium's QUIC only the first: for "localhost" that
    // is ::1, whichever the socket is bound to.
    const { udpAddress, port } = listeners;
    const udpHost = host === "localhost" && !isWildcard(udpAddress) ? urlHost(udpAddress) : host;
    const { reconnectSpreadMs } = node.sessions;
    const { publicAddress } = resolved;
    const publicHost = publicAddress.hostname;
    const at = `${publicHost === undefined ? udpHost : urlHost(publicHost)}:${
      publicAddress.port ?? port
    }`;
    return serverInfo(
      { ...resolved, reconnectSpreadMs },
      `https://${at}/rt/wt`,
      certificates.hashes,
    );
  };
  const entrance = new WebTransportEntrance(
    gate,
    addresses,
    door,
    new WebTransportHandler(transportOptions),
  );
  const { mail } = node;
  const sse = new SseHandler(
    transportOptions,
    mail && {
      node: mail.name,
      // Made-up ids must leave nothing in Redis.
      post: async (to, id, text) =>
        await node.sessions.directory!.isAlive(to)
          ? await mail.request(to, "post", { id, text }) as PostAnswer | undefined
          : undefined,
    },
  );
  mail?.handle("post", ({ id, text }: { id: string; text: string }) => sse.receive(id, text));
  const webSocket = new WebSocketHandler(transportOptions);
  const streaming = new StreamingSockets();
  const refusals = new RefusalLog(log, clock);
  const watch = new SocketWatch({
    sockets: () => [...webSocket.sockets, ...streaming.all()],
    residentBytes: () => Deno.memoryUsage().rss,
    limitBytes: 2 * TRANSPORT_DEFAULTS.maxBatchBytes,
    clock,
    onCut: (count) =>
      refusals.warn(`${count} sockets were cut off: they brought bytes and no message`),
  });
  const router = createRouter({
    addresses,
    gate,
    door,
    webSocket,
    streaming,
    sse,
    authenticator: node.authenticator,
    keeps: (session, ticket) => node.sessions.keeps({ session, ticket }),
    redis: node.redis,
    infoFor,
    security: new SecurityHeaders({
      hstsMaxAgeSeconds: resolved.hstsMaxAgeSeconds === false
        ? undefined
        : resolved.hstsMaxAgeSeconds,
      webTransportUrl: (host) => infoFor(host).webtransport!.url,
    }),
    altSvc: altSvc(resolved.publicAddress, listeners.port),
    metrics: resolved.metrics === false ? undefined : new Metrics(resolved.metrics, {
      hub: node.hub,
      sessions: node.sessions,
      door,
      gate,
      redis: node.redis,
      webhooks: node.webhooks,
    }),
    api: resolved.api && createApi(resolved.api, {
      publish: (publication) => node.hub.publish(publication),
      members: (channel, limit) => node.hub.members(channel, limit),
      memberCount: (channel) => node.hub.memberCount(channel),
      history: (channel, query) => node.hub.history(channel, query),
      disconnect: (target, options) => node.disconnects.disconnect(target, options),
      channels: () => node.hub.openChannels(),
      info: () => ({
        sessions: node.sessions.count,
        transports: node.sessions.transportCount,
        channels: node.hub.channels,
      }),
      onError,
    }),
    fetch: resolved.fetch,
  });

  certificates.watch((certificate) => {
    try {
      listeners.replaceCertificate(certificate);
      door.sendReplacedAway(() => listeners.closeReplaced());
      log({ level: "info", message: "A new certificate is served" });
    } catch (error) {
      log({ level: "error", message: "The new certificate is not served everywhere", error });
    }
  });

  const host = urlHost(isWildcard(resolved.hostname) ? "localhost" : resolved.hostname);
  return new SlipstreamServer({
    url: `https://${host}:${listeners.port}`,
    port: listeners.port,
    developmentPort: listeners.developmentPort,
    info: () => infoFor(host),
    capacity,
    hub: node.hub,
    sessions: node.sessions,
    disconnects: node.disconnects,
    redis: node.redis,
    webhooks: node.webhooks,
    door,
    gate,
    entrance,
    drainWindowMs: () => node.sessions.returnWindowMs,
    clock,
    async stop() {
      watch.stop();
      certificates.stop();
      await listeners.close(CloseCode.SHUTDOWN, "The node goes away");
      await node.close();
    },
  });
}

/** Caps the sessions at what the memory holds, where no number is set. */
function withMaxSessions(options: ResolvedOptions, capacity: Capacity) {
  const { maxSessions = defaultMaxSessions(capacity) } = options.admission;
  return { ...options, admission: { ...options.admission, maxSessions } };
}

/** In development mode a server has pages on two ports, under every name of the loopback. */
function ownOrigins({ hostname }: ResolvedOptions, listeners: Listeners): string[] {
  const { port, developmentPort } = listeners;
  if (developmentPort === undefined) return [];
  return developmentHostnames(hostname).map(urlHost)
    .flatMap((host) => [`https://${host}:${port}`, `http://${host}:${developmentPort}`]);
}

/** Of RFC 7838: where the same is served over HTTP/3. */
function altSvc({ hostname, port }: PublicAddress, ownPort: number): string {
  const host = hostname === undefined ? "" : urlHost(hostname);
  return `h3="${host}:${port ?? ownPort}"; ma=86400`;
}

function serverInfo(
  { session, heartbeat, reconnectSpreadMs }: ResolvedOptions,
  url: string,
  hashes: readonly string[] | undefined,
): ServerInfo {
  return {
    protocol: "slipstream.v1",
    transports: ["webtransport", "websocket", "sse"],
    webtransport: { url, ...(hashes !== undefined && { certificateHashes: hashes }) },
    maxMessageBytes: session.maxMessageBytes,
    heartbeat: { intervalMs: heartbeat.intervalMs, misses: heartbeat.misses },
    reconnectSpreadMs,
  };
}
