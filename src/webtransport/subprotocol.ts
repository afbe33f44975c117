/** The request field that offers subprotocols: a List of Strings (draft-ietf-webtrans-http3 §3.3). */
export const AVAILABLE_PROTOCOLS = "wt-available-protocols";

/** The response field that says which was chosen: an Item that is a String. */
export const PROTOCOL = "wt-protocol";

/**
 * Reads a `wt-available-protocols` field: a List of Strings (RFC 9651 §3.1), whose parameters have
 * no meaning. A field that is no such list counts as absent, as the draft has it: no protocols.
 */
export function parseAvailableProtocols(field: string | null): string[] {
  const protocols: string[] = [];
  if (field === null) return protocols;
  let rest = field.replace(/^ +| +$/g, "");
  while (rest !== "") {
    const member = MEMBER.exec(rest);
    if (member === null) return [];
    protocols.push(member[1]!.replaceAll(/\\(["\\])/g, "$1"));
    rest = rest.slice(member[0].length);
    if (rest === "") return protocols;
    const comma = /^[ \t]*,[ \t]*(?=.)/.exec(rest);
    if (comma === null) return [];
    rest = rest.slice(comma[0].length);
  }
  return protocols;
}

/**
 * Writes a `wt-protocol` field: a String (RFC 9651 §3.3.3).
 *
 * @throws {TypeError} If `protocol` has other characters than printable ASCII.
 */
export function serializeProtocol(protocol: string): string {
  if (!/^[\x20-\x7e]*$/.test(protocol)) {
    throw new TypeError(`A subprotocol must be printable ASCII: ${JSON.stringify(protocol)}`);
  }
  return `"${protocol.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** A String, then parameters: a key each, perhaps with a bare item (RFC 9651 §4.2.3.2). */
const MEMBER =
  /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"|\?[01]|:[A-Za-z0-9+/=]*:|@?-?[0-9]{1,15}(?:\.[0-9]{1,3})?|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*))?)*/;
