import { isIPv4, isIPv6 } from "node:net";

/** What a balancer says of the peer that a connection over TCP is from. */
export interface ProxyHeader {
  /** Bytes of the header: what follows is the peer's own. */
  readonly length: number;
  /** The peer's IP address; `undefined` if the balancer tells none, as for its own health checks. */
  readonly source: string | undefined;
}

/**
 * Reads the header of the PROXY protocol, version 1 or 2, at the start of `bytes`, in its
 * specification by HAProxy (proxy-protocol.txt) §2.1 and §2.2; `undefined` while it is not whole.
 *
 * @throws {ProxyProtocolError} As soon as it cannot become one.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | undefined {
  if (startsLike(bytes, V2_SIGNATURE)) return readV2(bytes);
  if (startsLike(bytes, V1_SIGNATURE)) return readV1(bytes);
  throw new ProxyProtocolError(`A PROXY header was expected: 0x${bytes.subarray(0, 12).toHex()}`);
}

/** What begins a connection is no header of the PROXY protocol. */
export class ProxyProtocolError extends Error {
  override readonly name = "ProxyProtocolError";
}

/** The most bytes that a header may have: addresses and what cloud balancers add take some 300. */
export const MAX_PROXY_HEADER_BYTES = 4096;

const V1_SIGNATURE = new TextEncoder().encode("PROXY ");
const V2_SIGNATURE = Uint8Array.fromHex("0d0a0d0a000d0a515549540a");

/** §2.1: 107 with the line's end, whatever the addresses. */
const MAX_V1_BYTES = 107;

/** Whether `bytes` begin with `signature`, as far as they go. */
function startsLike(bytes: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(bytes.length, signature.length);
  for (let at = 0; at < length; at++) if (bytes[at] !== signature[at]) return false;
  return true;
}

function readV1(bytes: Uint8Array): ProxyHeader | undefined {
  const line = String.fromCharCode(...bytes.subarray(0, MAX_V1_BYTES));
  const end = line.indexOf("\r\n");
  if (end < 0) {
    if (bytes.length < MAX_V1_BYTES) return undefined;
    throw new ProxyProtocolError(`A line of at most ${MAX_V1_BYTES} bytes was expected: no end`);
  }
  const length = end + 2;
  const text = line.slice(0, end);
  if (/^PROXY UNKNOWN(?: |$)/.test(text)) return { length, source: undefined };
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = "", more] =
    text.split(" ");
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : () => false;
  if (
    !isAddress(source) || !isAddress(destination) || !isPort(sourcePort) ||
    !isPort(destinationPort) || more !== undefined
  ) {
    throw new ProxyProtocolError(
      `TCP4 or TCP6 with two addresses and two ports was expected: ${JSON.stringify(text)}`,
    );
  }
  return { length, source };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65_535;
}

function readV2(bytes: Uint8Array): ProxyHeader | undefined {
  if (bytes.length < V2_HEAD_BYTES) return undefined;
  const version = bytes[12]! >> 4;
  const command = bytes[12]! & 0x0f;
  if (version !== 2 || command > COMMAND_PROXY) {
    throw new ProxyProtocolError(
      `Version 2 with LOCAL or PROXY was expected: 0x${bytes.subarray(12, 13).toHex()}`,
    );
  }
  const length = V2_HEAD_BYTES + (bytes[14]! << 8 | bytes[15]!);
  if (length > MAX_PROXY_HEADER_BYTES) {
    throw new ProxyProtocolError(
      `At most ${MAX_PROXY_HEADER_BYTES} bytes were expected: ${length}`,
    );
  }
  if (bytes.length < length) return undefined;
  const header = bytes.subarray(0, length);
  const size = ADDRESS_BYTES[header[13]!] ?? 0;
  // §2.2: of LOCAL nothing is looked at, and what follows another family's addresses is theirs.
  if (command !== COMMAND_PROXY || size === 0) return { length, source: undefined };
  if (length < V2_HEAD_BYTES + 2 * size + 4) {
    throw new ProxyProtocolError(`Two addresses and two ports were expected: ${length} bytes`);
  }
  checkExtensions(header, V2_HEAD_BYTES + 2 * size + 4);
  return { length, source: toText(header.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + size)) };
}

const V2_HEAD_BYTES = 16;
const COMMAND_PROXY = 1;

/** Bytes of one address of those families that TCP/IP has, over streams. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x11: 4, 0x21: 16 };

/** §2.2: type, length and value of each; the checksum is the one that means something here. */
function checkExtensions(header: Uint8Array, start: number): void {
  for (let at = start; at < header.length;) {
    const length = at + 3 > header.length ? NaN : header[at + 1]! << 8 | header[at + 2]!;
    const end = at + 3 + length;
    if (!(end <= header.length)) {
      throw new ProxyProtocolError(`A whole extension was expected: ${header.length - at} bytes`);
    }
    if (header[at] === TYPE_CRC32C) checkSum(header, at + 3, length);
    at = end;
  }
}

const TYPE_CRC32C = 0x03;

/** §2.2.4: over the whole header, in which the checksum itself counts as zeros. */
function checkSum(header: Uint8Array, at: number, length: number): void {
  const said = length === 4
    ? new DataView(header.buffer, header.byteOffset + at).getUint32(0)
    : NaN;
  const copy = header.slice();
  copy.fill(0, at, at + length);
  if (said !== crc32c(copy)) throw new ProxyProtocolError("A checksum that fits was expected");
}

/** CRC-32C (RFC 9260 appendix A). */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function toText(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const groups = Array.from(
    { length: 8 },
    (_, index) => (address[2 * index]! << 8 | address[2 * index + 1]!).toString(16),
  );
  return groups.join(":");
}
