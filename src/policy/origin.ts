/** Which web pages may open sessions, told by the `Origin` they send (RFC 6454 §7). */
export interface OriginOptions {
  /**
   * Origins allowed besides the server's own:
   *
   * - `https://app.example.com`: that origin; a port other than the scheme's default is part of it;
   * - `https://*.example.com`: every subdomain at any depth, for whoever rules a subdomain rules
   *   what is below it; not `https://example.com` itself;
   * - `*`: every origin. Any page on the web may then act for its visitor.
   *
   * @default []
   */
  allow?: readonly string[];
  /**
   * Whether `Origin: null` is allowed: sandboxed frames and local files, which any page can make.
   *
   * @default false
   */
  allowNull?: boolean;
  /**
   * Whether a request without `Origin` is allowed. Every browser sends one; what is let in are
   * programs, which no origin policy could hold off.
   *
   * @default false
   */
  allowMissing?: boolean;
}

/** What a request says about the server it was meant for. */
export interface RequestTarget {
  /** `https` or `http`, as the listener knows it. */
  readonly scheme: string;
  /** `:authority` or `Host`: a host, and a port unless it is the scheme's default. */
  readonly authority: string;
}

/** Whether a request may go on; a reason is for the log and is safe to show. */
export type OriginDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: OriginRefusal };

/** Why an origin is refused: it is absent, `null`, not an origin at all, or not allowed. */
export type OriginRefusal = "missing" | "null" | "malformed" | "not allowed";

/**
 * Decides by its `Origin` whether a request may open a session.
 *
 * Allowed are the origin that the request itself is addressed to, the server's other own origins
 * (one server may be `https://localhost:4433` and `http://localhost:8080`), and what
 * {@linkcode OriginOptions} allow. Origins are compared as the URL Standard serialises them: case,
 * default ports, IPv6 spelling, a trailing dot and Unicode or Punycode make no difference.
 *
 * A plain-http request addressed to a host name other than `localhost` does not vouch for its own
 * origin: any page can point its name at this server (DNS rebinding), and only a certificate would
 * give it away. Such an origin is allowed by being listed.
 */
export class OriginPolicy {
  readonly #exact = new Set<string>();
  readonly #wildcards: { readonly prefix: string; readonly suffix: string }[] = [];
  readonly #allowAny: boolean;
  readonly #allowNull: boolean;
  readonly #allowMissing: boolean;

  /**
   * @param ownOrigins The origins that the server itself serves pages on.
   * @throws {RangeError} If a pattern or an own origin is not what {@linkcode OriginOptions} say.
   */
  constructor(options: OriginOptions = {}, ownOrigins: readonly string[] = []) {
    const { allow = [], allowNull = false, allowMissing = false } = options;
    this.#allowAny = allow.includes("*");
    this.#allowNull = allowNull;
    this.#allowMissing = allowMissing;
    for (const own of ownOrigins) this.#exact.add(requireOrigin(own));
    for (const pattern of allow) {
      if (pattern !== "*") this.#add(pattern);
    }
  }

  /** Decides on the value of the `Origin` header, `undefined` if there is none. */
  decide(origin: string | undefined, target: RequestTarget): OriginDecision {
    if (origin === undefined) return this.#allowMissing ? ALLOWED : refuse("missing");
    if (origin === "null") return this.#allowNull ? ALLOWED : refuse("null");
    const normal = normalizeOrigin(origin);
    if (normal === undefined) return refuse("malformed");
    if (this.#allowAny || this.#exact.has(normal) || this.#matchesWildcard(normal)) return ALLOWED;
    return vouchesFor(target, normal) ? ALLOWED : refuse("not allowed");
  }

  #add(pattern: string): void {
    const star = pattern.indexOf("://*.");
    if (star < 0) {
      this.#exact.add(requireOrigin(pattern));
      return;
    }
    // An ordinary label in the star's place lets the URL parser check and normalise the rest.
    const sample = normalizeOrigin(pattern.replace("*", WILDCARD_LABEL));
    const [prefix, suffix] = sample?.split(WILDCARD_LABEL) ?? [];
    if (prefix === undefined || !suffix?.match(/^\.[^.]/)) throw badPattern(pattern);
    this.#wildcards.push({ prefix, suffix });
  }

  #matchesWildcard(origin: string): boolean {
    for (const { prefix, suffix } of this.#wildcards) {
      if (
        origin.length > prefix.length + suffix.length &&
        origin.startsWith(prefix) && origin.endsWith(suffix)
      ) return true;
    }
    return false;
  }
}

/**
 * An origin as the URL Standard serialises it, without a host's trailing dot; `undefined` for what
 * is not exactly a scheme, a host and perhaps a port.
 */
export function normalizeOrigin(origin: string): string | undefined {
  // The URL parser forgives whitespace, backslashes and a path: no browser sends them here.
  if (!ORIGIN_SHAPE.test(origin) || !URL.canParse(origin)) return undefined;
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  if (host === "") return undefined;
  // Hosts of schemes that the URL Standard does not know (browser extensions) keep their case.
  return `${protocol}//${host.toLowerCase()}${port === "" ? "" : `:${port}`}`;
}

/**
 * Whether any page can have made its own name lead to the server under which a request with this
 * origin came (DNS rebinding): over plain http, under a name.
 */
export function isRebindable(origin: string): boolean {
  return !origin.startsWith("https:") && !NOT_REBINDABLE.test(origin);
}

const ALLOWED: OriginDecision = { allowed: true };

const ORIGIN_SHAPE = /^[a-z][a-z0-9+.-]*:\/\/[^\s/\\?#@*]+$/i;

/** No host has it: a label is at most 63 bytes, and the URL parser does not mind. */
const WILDCARD_LABEL = "w".repeat(64);

/** Names that only this machine answers to, and addresses, which no name can be pointed at. */
const NOT_REBINDABLE = /^http:\/\/(localhost|[^/]+\.localhost|[0-9.]+|\[[0-9a-f:.]+\])(:\d+)?$/;

function refuse(reason: OriginRefusal): OriginDecision {
  return { allowed: false, reason };
}

function vouchesFor({ scheme, authority }: RequestTarget, origin: string): boolean {
  const own = normalizeOrigin(`${scheme}://${authority}`);
  return own === origin && !isRebindable(own);
}

function requireOrigin(pattern: string): string {
  const origin = normalizeOrigin(pattern);
  if (origin === undefined) throw badPattern(pattern);
  return origin;
}

function badPattern(pattern: string): RangeError {
  return new RangeError(
    'An allowed origin must be like "https://example.com", "https://*.example.com" or "*" ' +
      `(for null, see allowNull): ${JSON.stringify(pattern)}`,
  );
}
