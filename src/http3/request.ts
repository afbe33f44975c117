import { ErrorCode, Http3Error } from "./error.ts";
import type { Field } from "./qpack.ts";

/** The head of a request (RFC 9114 §4.3.1), checked. */
export interface RequestHead {
  readonly method: string;
  /** Absent on a plain CONNECT alone. */
  readonly scheme?: string;
  /** From `:authority`; absent if the request has only a Host field. */
  readonly authority?: string;
  /** With its query; absent on a plain CONNECT alone. */
  readonly path?: string;
  /** Present on an extended CONNECT (RFC 9220) alone. */
  readonly protocol?: string;
  readonly headers: Headers;
}

/**
 * Reads the field section that begins a request.
 *
 * @throws {Http3Error} MESSAGE_ERROR of scope `"stream"` if the request is malformed: pseudo-header
 * fields missing, unknown, repeated, late or contradictory; a name with uppercase letters; a name or
 * value that is none; a field that belongs to HTTP/1 connections (RFC 9114 §4.2, §4.3, §4.4,
 * RFC 8441 §4).
 */
export function parseRequestHead(fields: readonly Field[]): RequestHead {
  const pseudo = new Map<string, string>();
  const headers = new Headers();
  const cookies: string[] = [];
  let regular = false;
  for (const [name, value] of fields) {
    if (FORBIDDEN_IN_VALUE.test(value)) throw malformed("A field's value must be text", name);
    if (name.startsWith(":")) {
      if (regular) throw malformed("Pseudo-header fields must come first", name);
      if (!PSEUDO.has(name)) throw malformed("A request has no such pseudo-header field", name);
      if (pseudo.has(name)) throw malformed("A pseudo-header field is repeated", name);
      pseudo.set(name, value);
      continue;
    }
    regular = true;
    checkRegular(name, value);
    // A client may split the cookie for compression; it is one field, RFC 9114 §4.2.1.
    if (name === "cookie") cookies.push(value);
    else headers.append(name, value);
  }
  if (cookies.length > 0) headers.set("cookie", cookies.join("; "));
  const head: RequestHead = {
    method: pseudo.get(":method") ?? "",
    ...given("scheme", pseudo.get(":scheme")),
    ...given("authority", pseudo.get(":authority")),
    ...given("path", pseudo.get(":path")),
    ...given("protocol", pseudo.get(":protocol")),
    headers,
  };
  checkTarget(head);
  return head;
}

/**
 * The field section of a response. Fields that belong to HTTP/1 connections are left out (RFC 9114
 * §4.2).
 *
 * @throws {RangeError} If `status` is not an integer from 200 to 599.
 */
export function encodeResponseHead(status: number, headers?: HeadersInit): Field[] {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`A response's status must be from 200 to 599: ${status}`);
  }
  const fields: Field[] = [[":status", String(status)]];
  if (headers !== undefined) {
    for (const [name, value] of new Headers(headers)) {
      if (!CONNECTION_SPECIFIC.has(name)) fields.push([name, value]);
    }
  }
  return fields;
}

const PSEUDO: ReadonlySet<string> = new Set([
  ":method",
  ":scheme",
  ":authority",
  ":path",
  ":protocol",
]);

/** RFC 9114 §4.2 */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** A token of RFC 9110 §5.6.2 without uppercase letters. */
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What RFC 9110 §5.5 keeps out of a value: control characters but the tab. */
// deno-lint-ignore no-control-regex
const FORBIDDEN_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
/** What an authority or a path cannot have: whitespace, and what is not ASCII. */
const FORBIDDEN_IN_TARGET = /[^\x21-\x7e]/;

function checkRegular(name: string, value: string): void {
  if (!FIELD_NAME.test(name)) throw malformed("A field's name must be a lowercase token", name);
  if (CONNECTION_SPECIFIC.has(name) || (name === "te" && value !== "trailers")) {
    throw malformed("A field belongs to HTTP/1", name);
  }
}

/** Checks the pseudo-header fields against each other, RFC 9114 §4.3.1, §4.4 and RFC 8441 §4. */
function checkTarget(head: RequestHead): void {
  const { method, scheme, authority, path, protocol, headers } = head;
  if (!TOKEN.test(method)) throw malformed("A request needs a :method", method);
  for (const part of [authority, path]) {
    if (part !== undefined && FORBIDDEN_IN_TARGET.test(part)) {
      throw malformed("An authority and a path must be ASCII without spaces", part);
    }
  }
  if (authority?.includes("@")) throw malformed("An authority must have no userinfo", authority);
  if (authority !== undefined && /[/?#\\]/.test(authority)) {
    throw malformed("An authority must end before the path", authority);
  }
  if (method === "CONNECT" && protocol === undefined) {
    if (scheme !== undefined || path !== undefined) {
      throw malformed("A CONNECT has no :scheme and no :path", `${scheme} ${path}`);
    }
    if (!authority) throw malformed("A CONNECT needs an :authority", `${authority}`);
    return;
  }
  if (protocol !== undefined) {
    if (method !== "CONNECT") throw malformed("Only CONNECT has a :protocol", method);
    if (!TOKEN.test(protocol)) throw malformed("A :protocol must be a token", protocol);
    if (!authority) throw malformed("An extended CONNECT needs an :authority", `${authority}`);
  }
  if (scheme === undefined || !SCHEME.test(scheme)) {
    throw malformed("A request needs a :scheme", `${scheme}`);
  }
  if (!path) throw malformed("A request needs a :path", `${path}`);
  if (!path.startsWith("/") && !(path === "*" && method === "OPTIONS")) {
    throw malformed("A :path must begin with /", path);
  }
  const host = headers.get("host");
  if (authority === undefined ? !host : authority === "") {
    throw malformed("A request needs an :authority or a Host", `${authority}`);
  }
  if (authority !== undefined && host !== null && host !== authority) {
    throw malformed("Host must equal :authority", host);
  }
}

function given<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : { [key]: value } as { [P in K]?: string };
}

function malformed(what: string, value: string): Http3Error {
  // The peer's text goes to a log: bounded, and escaped as a JSON string is.
  const shown = JSON.stringify(value.slice(0, 64));
  return new Http3Error(
    ErrorCode.MESSAGE_ERROR,
    "stream",
    `${what}, RFC 9114 §4.2 and §4.3: ${shown}`,
  );
}
