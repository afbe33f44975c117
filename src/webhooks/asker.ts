import type { CircuitBreaker } from "../policy/circuit_breaker.ts";
import type { Clock } from "../policy/clock.ts";
import { Backoff } from "../policy/jitter.ts";
import type { Random } from "../policy/random.ts";
import { attempt, type Attempted, type Target } from "./attempt.ts";
import type { WrittenDelivery } from "./delivery.ts";
import type { ResolvedWebhookOptions } from "./options.ts";
import { pause } from "./pause.ts";
import { Slots } from "./slots.ts";

/** Why a question was not answered, for metrics and the log. */
export type UnansweredReason =
  /** Not within `timeoutMs`. */
  | "timeout"
  /** It could not be sent, or was cut off. */
  | "unreachable"
  /** Status 429 or 500 to 599. */
  | "failed"
  /** Too many wait already. */
  | "busy"
  /** The backend did not answer before, and is left alone. */
  | "open"
  /** The server ends. */
  | "closed";

/** No answer came. */
export class UnansweredError extends Error {
  override readonly name = "UnansweredError";
  readonly reason: UnansweredReason;

  constructor(reason: UnansweredReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** An answer came that none is to be made of. */
export class InvalidAnswerError extends Error {
  override readonly name = "InvalidAnswerError";
}

export interface AskerOptions {
  readonly options: ResolvedWebhookOptions;
  readonly target: Target;
  readonly breaker: CircuitBreaker;
  readonly clock: Clock;
  readonly random: Random;
  /** Is told what came of each request, for the circuit and the log. */
  readonly onAttempted: (attempted: Attempted, pass: number) => void;
}

/**
 * Asks the backend: within `timeoutMs`, `maxConcurrent` at once, again where no answer began, and not
 * at all while the circuit is open.
 */
export class Asker {
  readonly #options: AskerOptions;
  readonly #slots: Slots;
  /** Of questions that wait for an answer. */
  readonly #open = new Set<AbortController>();
  #askedAgain = 0;

  constructor(options: AskerOptions) {
    this.#options = options;
    this.#slots = new Slots(options.options.maxConcurrent, options.options.maxWaiting);
  }

  /** Requests that are waited for, in count. */
  get asking(): number {
    return this.#slots.taken;
  }

  /** Questions that wait for their turn, in count. */
  get waiting(): number {
    return this.#slots.waiting;
  }

  /** Requests that were sent again, in count. */
  get askedAgain(): number {
    return this.#askedAgain;
  }

  /**
   * What the backend answers. Who asks about much waits for itself: the line is served by turns.
   *
   * @throws {UnansweredError} If it does not.
   * @throws {InvalidAnswerError} If it does in a way that is none.
   */
  async ask(delivery: WrittenDelivery): Promise<Uint8Array> {
    const { breaker, clock, options: { timeoutMs } } = this.#options;
    // Who would not be let through need not wait in line.
    if (breaker.state === "open") throw new UnansweredError("open", "the circuit is open");
    const controller = new AbortController();
    const timer = clock.setTimeout(
      () => controller.abort(new UnansweredError("timeout", `no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.#open.add(controller);
    try {
      return await this.#askInTurn(delivery, controller.signal);
    } finally {
      clock.clearTimeout(timer);
      this.#open.delete(controller);
    }
  }

  /** Ends what is under way: nobody waits for it any more. */
  close(): void {
    for (const controller of this.#open) {
      controller.abort(new UnansweredError("closed", "the server ends"));
    }
  }

  async #askInTurn(delivery: WrittenDelivery, signal: AbortSignal): Promise<Uint8Array> {
    if (!await this.#slots.take(delivery.owner, signal)) {
      throw new UnansweredError("busy", "too many questions wait");
    }
    try {
      return await this.#askUntilAnswered(delivery, signal);
    } finally {
      this.#slots.release();
    }
  }

  async #askUntilAnswered(delivery: WrittenDelivery, signal: AbortSignal): Promise<Uint8Array> {
    const { options: { attempts, timeoutMs }, target, breaker, clock, random, onAttempted } =
      this.#options;
    const backoff = new Backoff({ jitter: "equal", baseMs: RETRY_BASE_MS, capMs: 1000 }, random);
    for (let left = attempts - 1;; left--) {
      const pass = breaker.enter();
      if (pass === undefined) throw new UnansweredError("open", "the circuit is open");
      const sentMs = clock.now();
      const attempted = await attempt(target, delivery, signal);
      // Of one that waited in line for most of its time it says nothing that it ran out.
      const cutShort = attempted.kind === "aborted" && clock.now() - sentMs < timeoutMs / 2;
      if (cutShort) breaker.cancel(pass);
      else onAttempted(attempted, pass);
      if (attempted.kind === "answer") return attempted.body;
      if (attempted.kind === "invalid") throw new InvalidAnswerError(attempted.why);
      if (attempted.kind === "aborted") throw signal.reason;
      const { kind, why, handled } = attempted;
      // A call may do something, which must not be done twice.
      const safe = handled === "no" || handled === "perhaps" && delivery.event !== "rpc";
      if (!safe || left <= 0) throw new UnansweredError(kind, why);
      await pause(clock, backoff.nextDelayMs(), signal);
      if (signal.aborted) throw new UnansweredError(kind, why);
      this.#askedAgain++;
    }
  }
}

/** A process that is being restarted, or a balancer that has noticed, is back that soon. */
const RETRY_BASE_MS = 100;
