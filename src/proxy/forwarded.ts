import { toPlainAddress } from "./trusted_addresses.ts";

/** What one proxy says of the peer that it had a request from. */
export interface Hop {
  /** Its IP address; `undefined` if the proxy does not tell, or tells what is none. */
  readonly address: string | undefined;
  /** How it came to the proxy; `undefined` if the proxy does not tell. */
  readonly scheme: "http" | "https" | undefined;
}

/**
 * Reads `Forwarded` (RFC 7239 §4) from the right, where the nearest proxy wrote, no further than it
 * is asked to. What lies further left may be a stranger's, and cannot change what was read: an open
 * quote there ends where the proxy's own element begins.
 *
 * An element that is malformed is the last, and names nobody.
 */
export function* forwardedHops(text: string): Generator<Hop, void> {
  const start = Math.max(0, text.length - MAX_READ);
  for (let end = text.length; end > start;) {
    const comma = commaBefore(text, end, start);
    // Where the limit cuts the text off, no element begins.
    if (comma === undefined || comma < start && start > 0) return yield UNKNOWN;
    const element = text.slice(comma + 1, end).trim();
    end = comma;
    if (element === "") continue;
    const hop = parseElement(element);
    yield hop ?? UNKNOWN;
    if (hop === undefined) return;
  }
}

/**
 * Reads `X-Forwarded-For` from the right as {@linkcode forwardedHops} does, with the schemes of
 * `X-Forwarded-Proto`: as many proxies as have added one, or the first alone.
 */
export function* xForwardedForHops(text: string, schemes: string): Generator<Hop, void> {
  const start = Math.max(0, text.length - MAX_READ);
  const values = schemes.slice(-MAX_READ).split(",");
  if (text === "") yield { address: undefined, scheme: toScheme(values.at(-1)) };
  for (let end = text.length, index = values.length - 1; end > start; index--) {
    const comma = text.lastIndexOf(",", end - 1);
    if (comma < start && start > 0) return yield UNKNOWN;
    const node = text.slice(comma + 1, end).trim();
    end = comma;
    yield { address: parseNode(node), scheme: toScheme(values[Math.max(0, index)]!) };
  }
}

/** Several times what an honest chain of proxies writes, and little to read. */
const MAX_READ = 4096;

const UNKNOWN: Hop = { address: undefined, scheme: undefined };

/**
 * The index of the last comma before `end` that is not in a quoted string, or `start - 1`;
 * `undefined` if a quoted string does not begin. A string begins after `=`, so that from the right
 * too it is plain where one does.
 */
function commaBefore(text: string, end: number, start: number): number | undefined {
  for (let at = end - 1; at >= start; at--) {
    if (text[at] === ",") return at;
    if (text[at] !== '"') continue;
    if (isEscaped(text, at)) return undefined;
    do at--; while (at >= start && (text[at] !== '"' || isEscaped(text, at)));
    if (at < start) return undefined;
  }
  return start - 1;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes++;
  return backslashes % 2 === 1;
}

/** One `forwarded-element`; `undefined` if it is none. */
function parseElement(element: string): Hop | undefined {
  const values = new Map<string, string>();
  let at = 0;
  while (at < element.length) {
    PAIR.lastIndex = at;
    const match = PAIR.exec(element);
    if (match === null) return undefined;
    at = PAIR.lastIndex;
    const [, name, token, quoted] = match;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    // RFC 7239 §4: each parameter once.
    if (values.has(key)) return undefined;
    values.set(key, token ?? quoted!.replace(/\\(.)/g, "$1"));
  }
  return { address: parseNode(values.get("for") ?? ""), scheme: toScheme(values.get("proto")) };
}

/** A `forwarded-pair` or nothing, and what ends it. IPv6 without its quotes is met, and clear. */
const PAIR =
  /(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([^\s";,]+)|"((?:[^"\\]|\\.)*)")[ \t]*)?(?:;[ \t]*|$)/y;

/** The address of a node (RFC 7239 §6), with or without a port; not of `unknown` or `_hidden`. */
function parseNode(node: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](?::[\w.-]+)?$/.exec(node)?.[1];
  if (bracketed !== undefined) {
    return bracketed.includes(":") ? toPlainAddress(bracketed) : undefined;
  }
  return toPlainAddress(node.replace(/^([0-9.]+):[\w.-]+$/, "$1"));
}

function toScheme(text: string | undefined): Hop["scheme"] {
  const scheme = text?.trim().toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : undefined;
}
