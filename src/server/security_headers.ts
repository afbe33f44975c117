/** What a response is to a browser, which decides how it is guarded. */
export type ResponseKind =
  /** A page or a file of one. */
  | "page"
  /** The SDK, which pages of every origin load. */
  | "sdk"
  /** An answer for programs: never shown, never stored. */
  | "answer"
  /** Of the app's own routes, which guard themselves. */
  | "app";

/** What a {@linkcode SecurityHeaders} needs. */
export interface SecurityHeadersOptions {
  /**
   * How long browsers keep to https, in seconds (RFC 6797); `undefined` says nothing to them, as
   * where the certificate is none that they know.
   */
  readonly hstsMaxAgeSeconds: number | undefined;
  /** Where the pages' WebTransport goes, for who reached the server as `hostname`. */
  readonly webTransportUrl: (hostname: string) => string;
}

/**
 * Sets what tells browsers to guard a response: on everything of the server's own, so that a new
 * route has it too. The app's responses get nothing but `Strict-Transport-Security`, which is for
 * the whole host, and that only where they do not say it themselves.
 */
export class SecurityHeaders {
  readonly #options: SecurityHeadersOptions;

  constructor(options: SecurityHeadersOptions) {
    this.#options = options;
  }

  /**
   * Sets them.
   *
   * @param url The request's, as the client has it.
   * @param overTls Whether TLS ends here.
   */
  apply(headers: Headers, kind: ResponseKind, url: URL, overTls: boolean): void {
    const { hstsMaxAgeSeconds, webTransportUrl } = this.#options;
    if (overTls && hstsMaxAgeSeconds !== undefined && !headers.has(HSTS)) {
      headers.set(HSTS, `max-age=${hstsMaxAgeSeconds}`);
    }
    if (kind === "app") return;
    for (const [name, value] of ALWAYS) headers.set(name, value);
    headers.set("cross-origin-resource-policy", kind === "sdk" ? "cross-origin" : "same-origin");
    if (kind !== "page") headers.set("content-security-policy", NOTHING);
    else {
      headers.set("content-security-policy", pagePolicy(url, webTransportUrl(url.hostname)));
      for (const [name, value] of FOR_PAGES) headers.set(name, value);
    }
    if (kind === "answer") headers.set("cache-control", "no-store");
  }
}

const HSTS = "strict-transport-security";

const ALWAYS = [
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
] as const;

const FOR_PAGES = [
  // No page of another origin that opened this one may reach into it.
  ["cross-origin-opener-policy", "same-origin"],
  [
    "permissions-policy",
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), serial=(), usb=()",
  ],
] as const;

/** Should a browser take an answer for a page, it may do nothing. */
const NOTHING = "default-src 'none'; frame-ancestors 'none'";

/**
 * All scripts and styles come in files of the server's own, and none of their texts becomes markup
 * or code. Safari's `'self'` has no WebSocket in it, and nobody's has another port.
 */
function pagePolicy({ protocol, host }: URL, webTransportUrl: string): string {
  const webSocket = `${protocol === "https:" ? "wss" : "ws"}://${host}`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${webSocket} ${new URL(webTransportUrl).origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}
