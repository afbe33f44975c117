import { TimerEntry, type TimerWheel } from "../../policy/timer_wheel.ts";

/** Calls once when a token is no good any more. Only what has a token that expires has one. */
export class TokenExpiry extends TimerEntry {
  readonly #wheel: TimerWheel;
  readonly #onExpired: () => void;
  #expiresMs = Infinity;

  constructor(wheel: TimerWheel, onExpired: () => void) {
    super();
    this.#wheel = wheel;
    this.#onExpired = onExpired;
  }

  /** Whether its time is over. */
  get expired(): boolean {
    return this.#wheel.clock.now() >= this.#expiresMs;
  }

  /** Waits until `expiresMs` of the node's clock, in place of what it has waited for before. */
  set(expiresMs: number): void {
    this.#expiresMs = expiresMs;
    if (expiresMs === Infinity) return this.stop();
    this.#wheel.schedule(this, expiresMs - this.#wheel.clock.now());
  }

  stop(): void {
    this.#wheel.cancel(this);
  }

  override onDue(): void {
    this.#onExpired();
  }
}
