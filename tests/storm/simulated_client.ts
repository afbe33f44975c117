import { Reconnect } from "../../src/client/reconnect.ts";
import type { Random } from "../../src/policy/random.ts";
import type { Curve } from "./curve.ts";
import type { Caller, SimulatedNode } from "./simulated_node.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** What a {@linkcode SimulatedClient} lives in. */
export interface World {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly node: SimulatedNode;
  readonly curve: Curve;
  readonly lostMs: number;
  /** Over how long the server has told its clients to spread their return, in milliseconds. */
  readonly spreadMs: number;
}

/** A client by the SDK's own rule of when to come back. Its packets take their time. */
export class SimulatedClient implements Caller {
  readonly address: string;
  readonly #world: World;
  readonly #reconnect: Reconnect;
  /** One way. */
  readonly #latencyMs: number;
  #packets = 0;

  constructor(index: number, latencyMs: number, world: World) {
    this.address = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
    this.#world = world;
    this.#latencyMs = latencyMs;
    this.#reconnect = new Reconnect(world.clock, world.random);
    this.#reconnect.connected();
  }

  /** The server has died, or has ended this client's transport as it had announced. */
  lose(announced: boolean): void {
    this.#comeBack(this.#latencyMs, announced, 0);
  }

  admitted(): void {
    this.#reconnect.connected();
  }

  refused(retryAfterMs: number): void {
    this.#comeBack(this.#latencyMs, false, retryAfterMs);
  }

  unreachable(): void {
    this.#world.curve.lost++;
    this.#comeBack(this.#latencyMs, false, 0);
  }

  ignored(): void {
    const { clock, curve } = this.#world;
    curve.lost++;
    const waitMs = RETRANSMIT_MS[this.#packets++];
    if (waitMs !== undefined) clock.setTimeout(this.#arriveAgain, waitMs);
    else this.#comeBack(OPEN_TIMEOUT_MS - RETRANSMITTED_MS - this.#latencyMs, false, 0);
  }

  #comeBack(afterMs: number, announced: boolean, retryAfterMs: number): void {
    const { clock, spreadMs } = this.#world;
    const delayMs = this.#reconnect.delayMs({ announced, spreadMs, retryAfterMs });
    clock.setTimeout(this.#arrive, afterMs + delayMs + this.#latencyMs);
  }

  readonly #arrive = (): void => {
    const { clock, curve, lostMs } = this.#world;
    this.#packets = 0;
    curve.arrived(clock.now() - lostMs);
    this.#arriveAgain();
  };

  readonly #arriveAgain = (): void => this.#world.node.arrive(this);
}

/** A SYN that nobody answers is sent again after 1 s, then after twice as long (RFC 6298 §2). */
const RETRANSMIT_MS = [1000, 2000, 4000];
const RETRANSMITTED_MS = 7000;

/** As the SDK gives each transport. */
const OPEN_TIMEOUT_MS = 10_000;
