import { BlockList, isIPv4, isIPv6 } from "node:net";

/** A set of IP addresses, by addresses and ranges. */
export class TrustedAddresses {
  readonly #list = new BlockList();

  /** @throws {RangeError} If one is neither an address nor a range in CIDR notation. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) this.#add(range);
  }

  /** Whether `address` is one of them; false for what is no address. */
  has(address: string): boolean {
    const plain = toPlainAddress(address);
    return plain !== undefined && this.#list.check(plain, familyOf(plain));
  }

  #add(range: string): void {
    const [address = "", length] = range.split("/", 2);
    const bits = isIPv4(address) ? 32 : 128;
    const prefix = length === undefined ? bits : Number(length);
    if (
      !isIPv4(address) && !isIPv6(address) || address.includes("%") ||
      range.split("/").length > 2 || length !== undefined && !/^\d{1,3}$/.test(length) ||
      prefix > bits
    ) {
      throw new RangeError(
        'A trusted address must be like "10.0.0.5", "10.0.0.0/8" or "2001:db8::/32": ' +
          JSON.stringify(range),
      );
    }
    this.#list.addSubnet(address, prefix, familyOf(address));
  }
}

/**
 * An IP address in the one form that it has everywhere here: IPv4 also where it was mapped into IPv6
 * (RFC 4291 §2.5.5.2), IPv6 as the URL Standard writes it and without a zone. `undefined` for
 * anything else.
 */
export function toPlainAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text)) return undefined;
  const address = new URL(`http://[${text.split("%", 1)[0]}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const [upper, lower] = [parseInt(high, 16), parseInt(low, 16)];
  return [upper >> 8, upper & 0xff, lower >> 8, lower & 0xff].join(".");
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}
