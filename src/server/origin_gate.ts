import type { OriginPolicy, OriginRefusal } from "../policy/origin.ts";

/** Whether a request may go on, and for which origin. */
export type Passage =
  | { readonly allowed: true; readonly origin: string | undefined }
  | { readonly allowed: false; readonly explanation: string };

/**
 * The one place where a request's origin is judged, for every entrance: WebTransport CONNECT,
 * WebSocket upgrade, SSE GET and POST.
 */
export class OriginGate {
  readonly #policy: OriginPolicy;

  constructor(policy: OriginPolicy) {
    this.#policy = policy;
  }

  /** Judges the request by its headers and by the URL that it is addressed to. */
  check(headers: Headers, url: URL): Passage {
    const origin = originOf(headers, url);
    const target = { scheme: url.protocol.slice(0, -1), authority: url.host };
    const decision = this.#policy.decide(origin, target);
    if (decision.allowed) return { allowed: true, origin };
    return { allowed: false, explanation: explain(decision.reason, origin) };
  }
}

/**
 * Browsers leave `Origin` out of same-origin GETs (Fetch Standard §3.1) and say in `Sec-Fetch-Site`,
 * which no page can set, that they are such.
 */
function originOf(headers: Headers, url: URL): string | undefined {
  const origin = headers.get("origin");
  if (origin !== null) return origin;
  return headers.get("sec-fetch-site") === "same-origin" ? url.origin : undefined;
}

function explain(reason: OriginRefusal, origin: string | undefined): string {
  switch (reason) {
    case "missing":
      return "Origin refused: the request has none; the server's origins.allowMissing would let it in";
    case "null":
      return "Origin refused: it is null; the server's origins.allowNull would let it in";
    case "malformed":
      return `Origin refused: expected a scheme, a host and perhaps a port: ${show(origin)}`;
    case "not allowed":
      return `Origin refused: ${show(origin)} is neither the server's own nor in its origins.allow`;
  }
}

/** The peer chose the text: it is quoted, and cut to what a log line bears. */
function show(origin: string | undefined): string {
  return JSON.stringify(origin?.slice(0, 200));
}
