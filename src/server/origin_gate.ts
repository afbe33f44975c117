import type { OriginPolicy, OriginRefusal } from "../policy/origin.ts";
import type { RefusalLog } from "./refusal_log.ts";

/** Whether a request may go on, and for which origin. */
export type Passage =
  | { readonly allowed: true; readonly origin: string | undefined }
  | {
    readonly allowed: false;
    readonly reason: OriginRefusal;
    /** For the peer and the log, in printable ASCII. */
    readonly explanation: string;
  };

/** Requests that were refused, in count, by why. */
export type OriginRefusals = Record<OriginRefusal, number>;

/**
 * The one place where a request's origin is judged, for every entrance: WebTransport CONNECT,
 * WebSocket upgrade, SSE GET and POST.
 */
export class OriginGate {
  readonly #policy: OriginPolicy;
  readonly #log: RefusalLog;
  readonly #refusals: OriginRefusals = { missing: 0, null: 0, malformed: 0, "not allowed": 0 };

  constructor(policy: OriginPolicy, log: RefusalLog) {
    this.#policy = policy;
    this.#log = log;
  }

  /** Requests that were refused at an entrance so far. */
  get refusals(): Readonly<OriginRefusals> {
    return this.#refusals;
  }

  /**
   * Judges a request at an entrance by its headers and by the URL that it is addressed to; a
   * refusal is counted and logged.
   */
  check(headers: Headers, url: URL): Passage {
    const passage = this.judge(headers, url);
    if (!passage.allowed) {
      this.#refusals[passage.reason]++;
      this.#log.warn(`${passage.explanation} (${url.pathname.slice(0, MAX_SHOWN)})`);
    }
    return passage;
  }

  /** Says what `check()` would say, of a request that is answered either way. */
  judge(headers: Headers, url: URL): Passage {
    const origin = originOf(headers, url);
    const target = { scheme: url.protocol.slice(0, -1), authority: url.host };
    const decision = this.#policy.decide(origin, target);
    if (decision.allowed) return { allowed: true, origin };
    const { reason } = decision;
    return { allowed: false, reason, explanation: explain(reason, origin) };
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

/**
 * The peer chose the text: it is quoted, cut to what a log line bears, and whatever could steer a
 * terminal is escaped. JSON leaves U+0080 to U+009F as they are.
 */
function show(origin: string | undefined): string {
  return JSON.stringify(origin?.slice(0, MAX_SHOWN)).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Longer than any name of a host that one would allow. */
const MAX_SHOWN = 200;
