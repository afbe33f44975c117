import type { Claims } from "./access.ts";

/**
 * Whether `channel` is called as `pattern` says: `{user}` is the client's user, `{name}` its claim
 * of that name, `*` anything, all else itself. A name that stands for nothing matches no channel.
 */
export function matchesChannel(
  pattern: string,
  channel: string,
  user: string | undefined,
  claims: Claims,
): boolean {
  let known = patterns.get(pattern);
  if (known === undefined) patterns.set(pattern, known = parse(pattern));
  /** Literal texts, with anything between one and the next. */
  const texts = [""];
  for (const part of known) {
    if (part.kind === "any") {
      texts.push("");
      continue;
    }
    const text = part.kind === "text" ? part.text : valueOf(part.name, user, claims);
    if (text === undefined) return false;
    texts[texts.length - 1] += text;
  }
  return matchesTexts(texts, channel);
}

/** @throws {TypeError} If a brace of the pattern is not closed, or encloses no name. */
export function checkPattern(pattern: string): void {
  parse(pattern);
}

type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "any" };

/** Bounded by the configuration: patterns are the operator's. */
const patterns = new Map<string, readonly Part[]>();

function parse(pattern: string): Part[] {
  const parts: Part[] = [];
  for (const [text] of pattern.matchAll(/\{[^{}]*\}|\*|[^{}*]+|[{}]/g)) {
    if (text === "*") parts.push({ kind: "any" });
    else if (text.startsWith("{") && text.length > 2) {
      parts.push({ kind: "name", name: text.slice(1, -1) });
    } else if (/[{}]/.test(text)) {
      throw new TypeError(`A pattern of channels must have names in its braces: "${pattern}"`);
    } else parts.push({ kind: "text", text });
  }
  return parts;
}

function valueOf(name: string, user: string | undefined, claims: Claims): string | undefined {
  if (name === "user") return user;
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  // An empty value would let "org:" and whatever follows stand for everybody without one.
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" ? `${value}` : undefined;
}

/** Takes each text where it comes first: if any way fits, this one does. */
function matchesTexts(texts: readonly string[], channel: string): boolean {
  const [first, ...rest] = texts;
  const last = rest.pop();
  if (last === undefined) return channel === first;
  if (!channel.startsWith(first!)) return false;
  let at = first!.length;
  for (const text of rest) {
    const found = channel.indexOf(text, at);
    if (found < 0) return false;
    at = found + text.length;
  }
  return channel.length - last.length >= at && channel.endsWith(last);
}
