/**
 * Counts what each address holds, against a cap. IPv6 addresses count by /64, since one subscriber
 * has that many; an IPv4-mapped address counts as the IPv4 address.
 *
 * The map is bounded by what is held: an address without anything has no entry.
 */
export class AddressCounter {
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  /** @param limit The most that one address may hold. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts one more for `address` and returns its key for {@linkcode leave}; undefined at the cap. */
  enter(address: string): string | undefined {
    const key = networkOf(address);
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.#limit) return undefined;
    this.#counts.set(key, count + 1);
    return key;
  }

  /** Counts one less for the `key` that {@linkcode enter} returned. */
  leave(key: string): void {
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}

/** The IPv4 address or IPv6 /64 that `address` lies in. */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  const [head = "", tail] = address.split("%", 1)[0]!.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const tailGroups = tail === "" ? [] : tail.split(":");
    while (groups.length + tailGroups.length < 8) groups.push("0");
    groups.push(...tailGroups);
  }
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":") + "::/64";
}
