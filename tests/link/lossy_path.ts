import type { Clock, TimerId } from "../../src/policy/clock.ts";
import type { Random } from "../../src/policy/random.ts";

/** What a path does to the IP packets that it carries. */
export interface PathConditions {
  /** How long each takes, in milliseconds. */
  readonly delayMs: number;
  /** Part of them that is lost, each by itself: 0 to 1. */
  readonly loss: number;
  /** What is lost altogether, as by a firewall. */
  readonly blocked: readonly Protocol[];
}

export type Protocol = "tcp" | "udp";

/** Packets that are on their way at once; more are lost, as in a router's queue. */
const MAX_PACKETS = 10_000;

/** One direction of a link: every packet arrives in order after the same time, or never. */
export class LossyPath {
  conditions: PathConditions = { delayMs: 0, loss: 0, blocked: [] };
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #deliver: (packet: Uint8Array) => void;
  /** On their way, the oldest first. */
  readonly #packets: { packet: Uint8Array; dueMs: number }[] = [];
  #timer: TimerId | undefined;
  #carried = 0;
  #lost = 0;

  constructor(clock: Clock, random: Random, deliver: (packet: Uint8Array) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#deliver = deliver;
  }

  /** Packets that arrived, and that were lost, so far. */
  get counts(): { readonly carried: number; readonly lost: number } {
    return { carried: this.#carried, lost: this.#lost };
  }

  /** Takes an IPv4 packet, which the caller leaves alone from now on. */
  send(packet: Uint8Array): void {
    const { delayMs, loss, blocked } = this.conditions;
    const protocol = protocolOf(packet);
    const dropped = this.#packets.length >= MAX_PACKETS ||
      protocol !== undefined && blocked.includes(protocol) || this.#random() < loss;
    if (dropped) {
      this.#lost++;
      return;
    }
    this.#packets.push({ packet, dueMs: this.#clock.now() + delayMs });
    if (this.#packets.length === 1) this.#schedule(delayMs);
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#clock.setTimeout(() => this.#arrive(), delayMs);
  }

  #arrive(): void {
    const nowMs = this.#clock.now();
    while (this.#packets.length > 0 && this.#packets[0]!.dueMs <= nowMs) {
      this.#carried++;
      this.#deliver(this.#packets.shift()!.packet);
    }
    if (this.#packets.length > 0) this.#schedule(this.#packets[0]!.dueMs - nowMs);
  }

  /** Loses what is on its way. */
  close(): void {
    this.#packets.length = 0;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
  }
}

/** RFC 791 §3.1: the protocol is the tenth byte. */
function protocolOf(packet: Uint8Array): Protocol | undefined {
  return packet[9] === 6 ? "tcp" : packet[9] === 17 ? "udp" : undefined;
}
