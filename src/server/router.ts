import { type Context, Hono } from "hono";
import type { ServerInfo } from "../protocol/server_info.ts";
import type { OriginGate } from "./origin_gate.ts";
import { StaticFiles } from "./static_files.ts";
import type { Listening } from "./tcp_listener.ts";

/** How a request came in. */
export interface Via {
  /** IP address of the peer, without a port. */
  readonly address: string;
  /** The TCP socket; absent for HTTP/3. */
  readonly listening?: Listening;
}

/** What the routes need of the server. */
export interface RouterParts {
  readonly gate: OriginGate;
  /** What `/rt/info` tells whoever reached the server as `hostname`. */
  readonly infoFor: (hostname: string) => ServerInfo;
  /** Value of `Alt-Svc` (RFC 7838) for responses over TLS; absent where none is due. */
  readonly altSvc: () => string | undefined;
  readonly openWebSocket: (request: Request, via: Via) => Response;
  readonly openEventStream: (request: Request, via: Via) => Response | Promise<Response>;
  readonly receivePost: (request: Request) => Response | Promise<Response>;
  /** The app's own routes; without them the pages are served. */
  readonly fetch:
    | ((request: Request, info: { address: string }) => Response | Promise<Response>)
    | undefined;
}

/** Answers one request, over TCP or HTTP/3 alike. */
export type Router = (request: Request, via: Via) => Response | Promise<Response>;

/** Makes the one router of all listeners. */
export function createRouter(parts: RouterParts): Router {
  const app = new Hono<{ Bindings: Via }>();

  app.get("/rt/info", (c) => {
    const url = new URL(c.req.url);
    const { origin, ...allowed } = judge(parts.gate, c);
    if (allowed.refusal === undefined) allowOrigin(c, origin);
    c.header("cache-control", "no-store");
    return c.json(parts.infoFor(url.hostname));
  });

  app.on(["GET", "POST"], ["/rt/ws", "/rt/sse", "/rt/send"], async (c, next) => {
    const { origin, refusal } = judge(parts.gate, c);
    if (refusal !== undefined) return c.text(`${refusal}\n`, 403);
    await next();
    // The response to an upgrade is the runtime's own and must stay as it is.
    if (c.res.status !== 101) allowOrigin(c, origin);
  });
  app.get("/rt/ws", (c) => parts.openWebSocket(c.req.raw, c.env));
  app.get("/rt/sse", (c) => parts.openEventStream(c.req.raw, c.env));
  app.post("/rt/send", (c) => parts.receivePost(c.req.raw));
  app.options("/rt/*", (c) => {
    const { origin, refusal } = judge(parts.gate, c);
    if (refusal !== undefined) return c.text(`${refusal}\n`, 403);
    allowOrigin(c, origin);
    c.header("access-control-allow-methods", "GET, POST");
    c.header("access-control-allow-headers", "content-type, slipstream-transport, last-event-id");
    c.header("access-control-max-age", "600");
    return c.body(null, 204);
  });
  app.all(
    "/rt/*",
    (c) =>
      c.text("Expected /rt/info, /rt/ws, /rt/sse, POST /rt/send or WebTransport /rt/wt\n", 404),
  );

  app.use(async (c, next) => {
    await next();
    const altSvc = parts.altSvc();
    if (altSvc !== undefined && c.env.listening !== undefined && isTls(c)) {
      c.header("alt-svc", altSvc);
    }
  });
  app.get("/:name{slipstream\\.(?:js|d\\.ts)}", async (c) => {
    const file = await BUILT.respond(c.req.path, c.req.raw);
    // Any page may use the SDK; what it may reach is the origin gate's matter.
    if (file !== undefined) file.headers.set("access-control-allow-origin", "*");
    return file ?? c.text("The SDK is not built: run deno task build\n", 404);
  });
  const { fetch } = parts;
  if (fetch !== undefined) app.all("*", (c) => fetch(c.req.raw, { address: c.env.address }));
  else app.get("*", (c) => servePage(c, parts));

  return (request, via) => app.fetch(request, via);
}

type RouteContext = Context<{ Bindings: Via }>;

const BUILT = new StaticFiles(new URL("../web/built/", import.meta.url));
const PAGES = new StaticFiles(new URL("../web/", import.meta.url));

function judge(
  gate: OriginGate,
  c: RouteContext,
): { origin: string | undefined; refusal: string | undefined } {
  const passage = gate.check(c.req.raw.headers, new URL(c.req.url));
  return passage.allowed
    ? { origin: passage.origin, refusal: undefined }
    : { origin: undefined, refusal: passage.explanation };
}

/** Lets the page that asked read the answer (Fetch Standard §3.2). */
function allowOrigin(c: RouteContext, origin: string | undefined): void {
  if (origin === undefined) return;
  c.header("access-control-allow-origin", origin);
  c.header("vary", "origin");
}

function isTls(c: RouteContext): boolean {
  return c.req.url.startsWith("https:");
}

async function servePage(c: RouteContext, parts: RouterParts): Promise<Response> {
  const path = c.req.path === "/" ? "/index.html" : c.req.path;
  const file = await PAGES.respond(path, c.req.raw);
  if (file === undefined) return c.text("There is no such page\n", 404);
  const webTransport = parts.infoFor(new URL(c.req.url).hostname).webtransport;
  const connect = webTransport ? ` ${new URL(webTransport.url).origin}` : "";
  file.headers.set(
    "content-security-policy",
    `default-src 'self'; connect-src 'self'${connect}; base-uri 'none'; form-action 'none'; ` +
      "frame-ancestors 'none'",
  );
  file.headers.set("x-content-type-options", "nosniff");
  file.headers.set("referrer-policy", "no-referrer");
  return file;
}
