import type { Admission } from "../../src/policy/admission.ts";
import type { VirtualClock } from "./virtual_clock.ts";
import type { Curve } from "./curve.ts";

/** A client as a {@linkcode SimulatedNode} sees it. */
export interface Caller {
  readonly address: string;
  /** It has a session. */
  admitted(): void;
  refused(retryAfterMs: number): void;
  /** Nobody listens. */
  unreachable(): void;
  /** The accept queue is full: the system says nothing. */
  ignored(): void;
}

export interface SimulatedNodeOptions {
  readonly admission: Admission;
  readonly clock: VirtualClock;
  readonly curve: Curve;
  /** When the server was lost, on the clock. */
  readonly lostMs: number;
  /** For how long nobody listens after that, in milliseconds. */
  readonly downMs: number;
}

/** One node: an accept queue as the kernel has it, handshakes one after the other, the admission. */
export class SimulatedNode {
  readonly #options: SimulatedNodeOptions;
  /** When the last handshake of the queue will be done. */
  #busyUntilMs = 0;

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
  }

  /** The first packet of an attempt has come, or has come again. */
  arrive(caller: Caller): void {
    const { clock, curve, lostMs, downMs } = this.#options;
    const nowMs = clock.now();
    if (nowMs < lostMs + downMs) return caller.unreachable();
    const length = Math.max(0, this.#busyUntilMs - nowMs) / HANDSHAKE_MS;
    if (length >= ACCEPT_QUEUE) {
      curve.fullUntilMs = nowMs - lostMs;
      return caller.ignored();
    }
    curve.queued(nowMs - lostMs, Math.floor(length) + 1);
    this.#busyUntilMs = Math.max(this.#busyUntilMs, nowMs) + HANDSHAKE_MS;
    clock.setTimeout(() => this.#answer(caller), this.#busyUntilMs - nowMs);
  }

  #answer(caller: Caller): void {
    const { admission, clock, curve, lostMs } = this.#options;
    const place = admission.admit(caller.address);
    if (place.admitted) {
      curve.cameBack(clock.now() - lostMs);
      return caller.admitted();
    }
    curve.refused++;
    caller.refused(place.retryAfterMs);
  }
}

/** TLS, upgrade and session on one of two cores: 1240 a second, whether let in or refused. */
const HANDSHAKE_MS = 1000 / 1240;

/** The backlog with which Deno listens, as `ss -ltn` shows it. */
const ACCEPT_QUEUE = 511;
