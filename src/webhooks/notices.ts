import type { CircuitBreaker } from "../policy/circuit_breaker.ts";
import type { Clock } from "../policy/clock.ts";
import { Backoff } from "../policy/jitter.ts";
import type { Random } from "../policy/random.ts";
import { attempt, type Attempted, type Target } from "./attempt.ts";
import type { WrittenDelivery } from "./delivery.ts";
import type { ResolvedWebhookOptions } from "./options.ts";
import { pause } from "./pause.ts";

export interface NoticesOptions {
  readonly options: ResolvedWebhookOptions;
  readonly target: Target;
  readonly breaker: CircuitBreaker;
  readonly clock: Clock;
  readonly random: Random;
  /** Is told what came of each request, for the circuit and the log. */
  readonly onAttempted: (attempted: Attempted, pass: number) => void;
  /** Is told how each notice has ended. */
  readonly onDone: (outcome: "sent" | "dropped") => void;
}

/**
 * Tells the backend what has happened, in the background and apart from what it is asked: some at
 * once, each until the backend has taken it or `noticeAttempts` were in vain. While the circuit is
 * open they wait, and no attempt is used up.
 */
export class Notices {
  readonly #options: NoticesOptions;
  /** The longest waiting first. */
  readonly #waiting = new Set<WrittenDelivery>();
  /** The server ends: nobody rests between attempts. */
  readonly #hurry = new AbortController();
  /** It has ended. */
  readonly #end = new AbortController();
  #workers = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  #droppedInHurry = 0;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  /** How many the backend has not taken yet. */
  get count(): number {
    return this.#waiting.size + this.#workers;
  }

  /** Sends a notice when its turn comes; drops it if too many wait. */
  add(notice: WrittenDelivery): void {
    const { options, onDone } = this.#options;
    if (this.#hurry.signal.aborted || this.#waiting.size >= options.maxNotices) {
      return onDone("dropped");
    }
    this.#waiting.add(notice);
    if (this.#workers < WORKERS) void this.#work();
  }

  /**
   * Sends what waits, once each and within `closeTimeoutMs`, and drops the rest. Resolves with how
   * many those were.
   */
  async close(): Promise<number> {
    const { options: { closeTimeoutMs }, clock } = this.#options;
    const end = () => this.#end.abort();
    this.#hurry.abort();
    if (closeTimeoutMs === 0) end();
    const timer = clock.setTimeout(end, closeTimeoutMs);
    if (this.#workers > 0) await (this.#idle = Promise.withResolvers()).promise;
    clock.clearTimeout(timer);
    end();
    return this.#droppedInHurry;
  }

  /** Never rejects: an attempt has no errors but outcomes. */
  async #work(): Promise<void> {
    this.#workers++;
    for (const notice of this.#waiting) {
      this.#waiting.delete(notice);
      const sent = await this.#send(notice);
      if (!sent && this.#hurry.signal.aborted) this.#droppedInHurry++;
      this.#options.onDone(sent ? "sent" : "dropped");
    }
    this.#workers--;
    if (this.#workers === 0) this.#idle?.resolve();
  }

  async #send(notice: WrittenDelivery): Promise<boolean> {
    const { options, breaker, clock, random } = this.#options;
    const backoff = new Backoff({ jitter: "equal", baseMs: 1000, capMs: 30_000 }, random);
    const hurry = this.#hurry.signal;
    for (let left = options.noticeAttempts; left > 0 && !this.#end.signal.aborted;) {
      // The end may come while it is on its way: there is one more try after that too.
      const last = hurry.aborted;
      const taken = await this.#try(notice);
      if (taken) return true;
      if (last) return false;
      if (taken === undefined) {
        await pause(clock, Math.max(breaker.retryInMs, PROBE_MS) * (1 + random() / 4), hurry);
      } else if (--left > 0) {
        await pause(clock, backoff.nextDelayMs(), hurry);
      }
    }
    return false;
  }

  /** Whether the backend has taken it; `undefined` if it was not asked. */
  async #try(notice: WrittenDelivery): Promise<boolean | undefined> {
    const { options: { timeoutMs }, target, breaker, clock, onAttempted } = this.#options;
    const pass = breaker.enter();
    if (pass === undefined) return undefined;
    const controller = new AbortController();
    const abort = () => controller.abort(new Error(`no answer within ${timeoutMs} ms`));
    const timer = clock.setTimeout(abort, timeoutMs);
    this.#end.signal.addEventListener("abort", abort);
    try {
      const attempted = await attempt(target, notice, controller.signal);
      if (attempted.kind === "aborted" && this.#end.signal.aborted) breaker.cancel(pass);
      else onAttempted(attempted, pass);
      return attempted.kind === "answer";
    } finally {
      clock.clearTimeout(timer);
      this.#end.signal.removeEventListener("abort", abort);
    }
  }
}

/** Enough for a thousand a second where an answer takes 10 ms; what it is asked comes first. */
const WORKERS = 10;

/** How long to wait for the outcome of another's probe, in milliseconds. */
const PROBE_MS = 250;
