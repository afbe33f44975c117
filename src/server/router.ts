import { type Context, Hono } from "hono";
import type { RedisState } from "../broker/redis_broker.ts";
import type { Refused } from "../policy/admission.ts";
import type { ServerInfo } from "../protocol/server_info.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { CommandError } from "../protocol/error_code.ts";
import type { ClientAddresses, NearPeer, Sender } from "../proxy/client_address.ts";
import type { PeerInfo, TcpEnd } from "../transport/peer_transport.ts";
import { bearerOf, type SseHandler } from "../transport/sse_handler.ts";
import type { TransportAcceptor } from "../transport/transport.ts";
import type { WebSocketHandler } from "../transport/websocket.ts";
import type { Door } from "./door.ts";
import { liveness, readiness } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import type { OriginGate } from "./origin_gate.ts";
import { retryAfter } from "./retry_after.ts";
import type { ResponseKind, SecurityHeaders } from "./security_headers.ts";
import { StaticFiles } from "./static_files.ts";
import type { StreamingSockets } from "./streaming_sockets.ts";
import type { Listening } from "./tcp_listener.ts";

/** How a request came in. */
export interface Via {
  /** The other end of the socket. */
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
  /** The peer, where that is another: it may be a proxy. */
  readonly peer?: NearPeer;
  /** The TCP socket; absent for HTTP/3. */
  readonly listening?: Listening;
  /** Settles when the response has been sent, or cannot be; absent for HTTP/3. */
  readonly completed?: Promise<void>;
}

/** A request on its way through the routes. */
class Arrival implements PeerInfo {
  readonly sender: Sender;
  readonly listening: Listening | undefined;
  readonly #via: Via;

  constructor(via: Via, sender: Sender) {
    this.sender = sender;
    this.listening = via.listening;
    this.#via = via;
  }

  /** Asked for where it is needed alone: Deno makes the promise for who asks. */
  get completed(): Promise<void> | undefined {
    return this.#via.completed;
  }

  get remote(): TcpEnd | undefined {
    return this.listening && this.#via.remoteAddr;
  }
}

/** What the routes need of the server. */
export interface RouterParts {
  readonly addresses: ClientAddresses;
  readonly gate: OriginGate;
  readonly door: Door;
  readonly webSocket: WebSocketHandler;
  readonly sse: SseHandler;
  readonly streaming: StreamingSockets;
  /** Gives tickets; `undefined` where nobody proves who they are. */
  readonly authenticator: Authenticator | undefined;
  /** Whether a session is kept for the client that says it has this ticket. */
  readonly keeps: (session: string, ticket: string) => boolean;
  /** What `/rt/info` tells whoever reached the server as `hostname`. */
  readonly infoFor: (hostname: string) => ServerInfo;
  /** How Redis is; `undefined` where the node stands alone. */
  readonly redis: () => RedisState | undefined;
  readonly security: SecurityHeaders;
  /** `Alt-Svc` (RFC 7838), sent over TLS: where the same is served over HTTP/3. */
  readonly altSvc: string;
  /** Answers `/metrics`; `undefined` where nobody may read them. */
  readonly metrics: Metrics | undefined;
  /** Answers `/api/`; `undefined` where that is the app's own. */
  readonly api: Hono | undefined;
  /** The app's own routes; without them the pages are served. */
  readonly fetch:
    | ((request: Request, info: { address: string }) => Response | Promise<Response>)
    | undefined;
}

/** Answers one request, over TCP or HTTP/3 alike. */
export type Router = (request: Request, via: Via) => Response | Promise<Response>;

/** Makes the one router of all listeners. */
export function createRouter(parts: RouterParts): Router {
  const app = new Hono<{ Bindings: Arrival }>();
  // Hono would print it and go on: the listener tells the app's log, and answers 500.
  app.onError((error) => {
    throw error;
  });

  app.use(async (c, next) => {
    await next();
    // The response to an upgrade is the runtime's own and must stay as it is.
    if (c.res.status === 101) return;
    const overTls = c.req.url.startsWith("https:");
    const kind = kindOf(parts, c.req.path);
    // An app's response may be one that cannot be changed.
    if (kind === "app") c.res = new Response(c.res.body, c.res);
    const { headers } = c.res;
    if (c.env.listening !== undefined && overTls && mayLearn(c.req.path)) {
      headers.set("alt-svc", parts.altSvc);
    }
    parts.security.apply(headers, kind, urlOf(c), overTls);
  });

  // Who balances asks without an origin, and learns nothing that is secret.
  app.get("/livez", () => liveness());
  app.get(
    "/readyz",
    () => readiness({ closedBy: parts.door.closedBy, redis: parts.redis() }),
  );

  app.get("/rt/info", (c) => {
    const url = urlOf(c);
    const info = parts.infoFor(url.hostname);
    const init = { headers: { "cache-control": "no-store" } };
    const passage = parts.gate.judge(c.req.raw.headers, url);
    // It tells nothing that is secret: whose origin is refused may ask, but not from a page, and
    // comes no further.
    if (!passage.allowed) return Response.json(info, init);
    const invitation = parts.door.invite(c.env.sender, mayReturn(parts, c));
    const response = invitation.admitted
      ? Response.json({ ...info, pass: invitation.pass }, init)
      : refuse(invitation, c.env);
    allowOrigin(response, passage.origin);
    return response;
  });

  app.on(["GET", "POST"], ["/rt/ws", "/rt/sse", "/rt/send", "/rt/ticket"], async (c, next) => {
    const { origin, refusal } = check(parts.gate, c);
    if (refusal !== undefined) return c.text(`${refusal}\n`, 403);
    await next();
    // The response to an upgrade is the runtime's own and must stay as it is.
    if (c.res.status !== 101) allowOrigin(c.res, origin);
  });
  app.get(
    "/rt/ws",
    (c) => enter(parts.door, c, (accept) => parts.webSocket.handle(c.req.raw, c.env, accept)),
  );
  app.get(
    "/rt/sse",
    (c) => {
      watch(parts, c);
      return enter(parts.door, c, (accept) => parts.sse.open(c.req.raw, c.env, accept));
    },
  );
  app.post("/rt/send", (c) => parts.sse.send(c.req.raw));
  app.post("/rt/ticket", (c) => {
    watch(parts, c);
    return giveTicket(parts, c);
  });
  app.options("/rt/*", (c) => {
    const { origin, refusal } = check(parts.gate, c);
    if (refusal !== undefined) return c.text(`${refusal}\n`, 403);
    const response = c.body(null, 204, {
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers":
        "authorization, content-type, slipstream-transport, slipstream-resume, last-event-id",
      "access-control-max-age": "600",
    });
    allowOrigin(response, origin);
    return response;
  });
  app.all(
    "/rt/*",
    (c) =>
      c.text(
        "Expected /rt/info, /rt/ws, /rt/sse, POST /rt/send, POST /rt/ticket or WebTransport /rt/wt\n",
        404,
      ),
  );

  app.get("/:name{slipstream\\.(?:js|d\\.ts)}", async (c) => {
    const file = await BUILT.respond(c.req.path, c.req.raw);
    // Any page may use the SDK; what it may reach is the origin gate's matter.
    if (file !== undefined) file.headers.set("access-control-allow-origin", "*");
    return file ?? c.text("The SDK is not built: run deno task build\n", 404);
  });
  const { api, fetch, metrics } = parts;
  if (metrics !== undefined) {
    app.get("/metrics", (c) => metrics.respond(c.req.raw, c.env.sender));
  }
  if (api !== undefined) app.all("/api/*", (c) => api.fetch(c.req.raw));
  if (fetch !== undefined) {
    app.all("*", (c) => {
      if (c.req.method === "GET") watch(parts, c);
      return fetch(c.req.raw, { address: c.env.sender.address });
    });
  } else app.get("*", (c) => servePage(c));

  return (request, via) => {
    // The runtime takes any `Host` into the URL, where a slash in it would begin the path.
    const host = request.headers.get("host") ?? "";
    if (!HOST.test(host) || !URL.canParse(request.url)) {
      return new Response("A host and perhaps a port were expected\n", { status: 400 });
    }
    const { remoteAddr, listening, peer = { address: remoteAddr.hostname } } = via;
    const over = listening === undefined ? "http3" : "tcp";
    const sender = parts.addresses.of(peer, request.headers, over);
    if (listening !== undefined) parts.streaming.request(remoteAddr);
    return app.fetch(request, new Arrival(via, sender));
  };
}

/** Has the socket of a request watched that has no content and may be answered for long. */
function watch({ streaming }: RouterParts, c: RouteContext): void {
  const { remote, completed } = c.env;
  if (remote && completed) streaming.answer(remote, completed);
}

/** Of RFC 3986 §3.2, what names of hosts, addresses and ports are made of. */
const HOST = /^[\w.:[\]-]*$/;

type RouteContext = Context<{ Bindings: Arrival }>;

const BUILT = new StaticFiles(new URL("../web/built/", import.meta.url));
const PAGES = new StaticFiles(new URL("../web/", import.meta.url));

/** Pages without the ending of their file. */
const PAGE_FILES: Readonly<Record<string, string>> = {
  "/": "/index.html",
  "/arena": "/arena.html",
  "/ticker": "/ticker.html",
};

/** The URL as the client has it: a proxy may have taken TLS off. */
function urlOf({ req, env: { sender } }: RouteContext): URL {
  const url = new URL(req.url);
  if (sender.scheme !== undefined) url.protocol = `${sender.scheme}:`;
  return url;
}

function check(
  gate: OriginGate,
  c: RouteContext,
): { origin: string | undefined; refusal: string | undefined } {
  const passage = gate.check(c.req.raw.headers, urlOf(c));
  return passage.allowed
    ? { origin: passage.origin, refusal: undefined }
    : { origin: undefined, refusal: passage.explanation };
}

/** Lets the page that asked read the answer (Fetch Standard §3.2). */
function allowOrigin({ headers }: Response, origin: string | undefined): void {
  headers.set("vary", "origin");
  if (origin === undefined) return;
  headers.set("access-control-allow-origin", origin);
  if (headers.has("retry-after")) headers.set("access-control-expose-headers", "retry-after");
}

/** Whether a response is one to learn of HTTP/3 from: transports choose for themselves. */
function mayLearn(path: string): boolean {
  return !path.startsWith("/rt/") || path === "/rt/info";
}

/** What the response to `path` is; the app has what is nobody else's. */
function kindOf({ api, metrics, fetch }: RouterParts, path: string): ResponseKind {
  if (path === "/slipstream.js" || path === "/slipstream.d.ts") return "sdk";
  if (path.startsWith("/rt/") || path === "/livez" || path === "/readyz") return "answer";
  if (api !== undefined && path.startsWith("/api/")) return "answer";
  if (metrics !== undefined && path === "/metrics") return "answer";
  return fetch === undefined ? "page" : "app";
}

/** Opens a transport if there is a place for it. */
function enter(
  door: Door,
  c: RouteContext,
  open: (accept: TransportAcceptor) => Response,
): Response {
  const { sender, listening } = c.env;
  const visit = door.enter(sender, c.req.query("pass"), listening);
  if (!visit.admitted) return refuse(visit, c.env);
  try {
    return open((transport) => visit.accept(transport));
  } finally {
    visit.abandon();
  }
}

/** Gives a ticket for the token in `Authorization`. */
async function giveTicket(
  { authenticator, door }: RouterParts,
  c: RouteContext,
): Promise<Response> {
  if (authenticator === undefined) return c.text("The server has no auth\n", 404);
  // Whoever gets one is about to come: at the same rate, and no faster.
  const invitation = door.invite(c.env.sender, false);
  if (!invitation.admitted) return refuse(invitation, c.env);
  const headers = { "cache-control": "no-store" };
  const token = bearerOf(c.req.raw.headers);
  if (token === undefined) {
    return c.text("A header Authorization: Bearer … was expected\n", 401, {
      ...headers,
      "www-authenticate": "Bearer",
    });
  }
  try {
    return c.json(await authenticator.issueTicket(token), 200, headers);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const { code: status, message } = error;
    return new Response(`${message}\n`, {
      status,
      headers: {
        ...headers,
        // RFC 6750 §3.1.
        ...(status === 401 && { "www-authenticate": 'Bearer error="invalid_token"' }),
      },
    });
  }
}

function refuse(refused: Refused, { listening }: Arrival): Response {
  const { text, ...init } = retryAfter(refused);
  const response = new Response(text, init);
  // On HTTP/1.1 whoever asks again does so anew, and a balancer may lead to another node.
  if (listening !== undefined) response.headers.set("connection", "close");
  return response;
}

/** Whether the client says, in `slipstream-resume`, that a session waits for it, and one does. */
function mayReturn(parts: RouterParts, c: RouteContext): boolean {
  const [session, ticket] = c.req.header("slipstream-resume")?.split(" ", 2) ?? [];
  return session !== undefined && ticket !== undefined && parts.keeps(session, ticket);
}

async function servePage(c: RouteContext): Promise<Response> {
  const path = PAGE_FILES[c.req.path] ?? c.req.path;
  const file = await PAGES.respond(path, c.req.raw);
  return file ?? c.text("There is no such page\n", 404);
}
