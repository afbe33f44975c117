import { AddressRate } from "./address_rate.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import { TokenBucket } from "./token_bucket.ts";

/** New sessions a second where nothing is said. */
export const DEFAULT_RATE_PER_SECOND = 500;

/** How many sessions a node takes, and how fast. */
export interface AdmissionOptions {
  /**
   * New sessions a second; `Infinity` disables the limit. The default is what two cores hand-shake
   * over QUIC (about 700) with room left for the sessions they have.
   *
   * @default 500
   */
  ratePerSecond?: number;
  /**
   * New sessions at once, after a quiet spell; the last fifth is for clients whose session waits
   * for them.
   *
   * @default ratePerSecond, at least 1
   */
  burst?: number;
  /**
   * New sessions a second of one address, and at once; `Infinity` disables the limit. The default
   * leaves most of the rate to others, and lets a household or a small office in at once.
   *
   * @default a fifth of ratePerSecond, at least 20
   */
  ratePerSecondPerAddress?: number;
  /**
   * Sessions in all; `Infinity` disables the limit. The default is what the memory holds of the
   * smallest, over WebSocket. Open files and memory are guarded whatever is set here.
   *
   * @default 50000, or what the memory holds if that is less
   */
  maxSessions?: number;
  /**
   * Sessions of one address; `Infinity` disables the limit. The default lets an office behind one
   * address in and keeps a single host from a node's memory.
   *
   * @default 1000
   */
  maxSessionsPerAddress?: number;
}

/** A session's place, given back by `release()` when the session ends; idempotent. */
export interface Admitted {
  readonly admitted: true;
  release(): void;
}

/**
 * Which limit refuses, and in how many milliseconds to come back. Those refused at once are told
 * different delays.
 */
export interface Refused {
  readonly admitted: false;
  readonly reason: "total" | "address" | "rate";
  readonly retryAfterMs: number;
}

/**
 * Who wants a place, which decides over the rate; the limits in number are the same for all.
 *
 * - `new`: someone unknown. A fifth of the burst is not for them.
 * - `returning`: the client of a session that is kept for it. It may use that fifth too, so that
 *   these go first when too many come at once.
 * - `invited`: passed {@linkcode Admission.invite} a moment ago, as either.
 */
export type Visitor = "new" | "returning" | "invited";

/**
 * Decides whether a node takes one more session. What it remembers are the addresses that have
 * sessions or had some let in a moment ago, so it is never larger than their number.
 *
 * Clients refused for the total or the rate are booked one after another at that rate, so that a
 * herd comes back no faster than the node takes it.
 */
export class Admission {
  readonly #bucket: TokenBucket;
  /** Tokens that only those who return may take. */
  readonly #reserve: number;
  readonly #addressRate: AddressRate;
  readonly #maxSessions: number;
  readonly #maxSessionsPerAddress: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sessionsByAddress = new Map<string, number>();
  #sessions = 0;
  /** Until when the clients refused so far are booked to come back. */
  #bookedMs = 0;

  /**
   * @throws {RangeError} If a rate is not above 0, `burst` or `ratePerSecondPerAddress` is below 1,
   * or a maximum is neither a positive integer nor `Infinity`.
   */
  constructor(options: AdmissionOptions, clock: Clock, random: Random) {
    const {
      ratePerSecond = DEFAULT_RATE_PER_SECOND,
      maxSessions = 50_000,
      maxSessionsPerAddress = 1000,
    } = options;
    const {
      burst = Math.max(1, ratePerSecond),
      ratePerSecondPerAddress = Math.max(20, ratePerSecond / 5),
    } = options;
    this.#bucket = new TokenBucket({ ratePerSecond, burst }, clock);
    this.#reserve = Math.floor(burst / 5);
    this.#addressRate = new AddressRate(ratePerSecondPerAddress, ratePerSecondPerAddress, clock);
    this.#maxSessions = requireLimit("maxSessions", maxSessions);
    this.#maxSessionsPerAddress = requireLimit("maxSessionsPerAddress", maxSessionsPerAddress);
    this.#clock = clock;
    this.#random = random;
  }

  /** How many sessions are admitted and not yet released. */
  get sessions(): number {
    return this.#sessions;
  }

  /** How many addresses they come from, as {@linkcode addressKey} tells them apart. */
  get addresses(): number {
    return this.#sessionsByAddress.size;
  }

  /**
   * Asks for a place for a session from `address`, an IP address in text form; `undefined` for one
   * that no limit by address holds for.
   */
  admit(address: string | undefined, visitor: Visitor = "new"): Admitted | Refused {
    const key = address === undefined ? undefined : addressKey(address);
    const refused = this.#judge(key, visitor);
    if (refused !== undefined) return refused;
    this.#sessions++;
    if (key !== undefined) {
      this.#sessionsByAddress.set(key, (this.#sessionsByAddress.get(key) ?? 0) + 1);
    }
    let held = true;
    return {
      admitted: true,
      release: () => {
        if (!held) return;
        held = false;
        this.#release(key);
      },
    };
  }

  /**
   * Asks whether one from `address` may come, and counts it against the rate as if it came. Nothing
   * is held; whoever comes is admitted as `invited`.
   */
  invite(address: string | undefined, visitor: "new" | "returning"): Refused | undefined {
    return this.#judge(address === undefined ? undefined : addressKey(address), visitor);
  }

  #judge(key: string | undefined, visitor: Visitor): Refused | undefined {
    const ofAddress = key === undefined ? 0 : this.#sessionsByAddress.get(key) ?? 0;
    // First, so that an address over its limit takes no token and books no time from the others.
    if (ofAddress >= this.#maxSessionsPerAddress) return this.#refuse("address", FULL_RETRY_MS);
    const waitMs = visitor === "invited" || key === undefined
      ? 0
      : this.#addressRate.waitMs(key, MAX_BOOKED_MS);
    if (waitMs > 0) return this.#refuse("address", waitMs);
    if (this.#sessions >= this.#maxSessions) {
      return this.#refuse("total", Math.max(FULL_RETRY_MS, this.#book()));
    }
    if (visitor === "invited") return undefined;
    if (!this.#bucket.take(1, visitor === "new" ? this.#reserve : 0)) {
      return this.#refuse("rate", this.#book());
    }
    if (key !== undefined) this.#addressRate.charge(key);
    return undefined;
  }

  #release(key: string | undefined): void {
    this.#sessions--;
    if (key === undefined) return;
    const left = this.#sessionsByAddress.get(key)! - 1;
    if (left === 0) this.#sessionsByAddress.delete(key);
    else this.#sessionsByAddress.set(key, left);
  }

  /** Books the next place in time and returns how far off it is, in milliseconds. */
  #book(): number {
    const nowMs = this.#clock.now();
    const nextMs = Math.max(this.#bookedMs, nowMs) + 1000 / this.#bucket.ratePerSecond;
    this.#bookedMs = Math.min(nextMs, nowMs + MAX_BOOKED_MS);
    return this.#bookedMs - nowMs;
  }

  #refuse(reason: Refused["reason"], waitMs: number): Refused {
    return { admitted: false, reason, retryAfterMs: waitMs * (1 + this.#random() / 2) };
  }
}

/**
 * What counts as one address: an IPv4 address, also where it is mapped into IPv6, or the /64 of an
 * IPv6 address, because a single host can have a whole /64.
 */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  if (address.includes(".")) return address.slice(address.lastIndexOf(":") + 1);
  const [head = "", tail] = address.toLowerCase().split("%", 1)[0]!.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const tailGroups = tail === "" ? [] : tail.split(":");
    while (groups.length + tailGroups.length < 8) groups.push("0");
    groups.push(...tailGroups);
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** When a place falls free is unknown: long enough not to be a load, short enough to wait for. */
const FULL_RETRY_MS = 5000;

/** Refused clients that never return must not put off the others for longer than this. */
const MAX_BOOKED_MS = 60_000;

function requireLimit(name: string, limit: number): number {
  if (limit === Infinity || (Number.isSafeInteger(limit) && limit > 0)) return limit;
  throw new RangeError(`Admission's ${name} must be a positive integer or Infinity: ${limit}`);
}
