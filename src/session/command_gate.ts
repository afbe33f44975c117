import { EMPTY, type RateLimit } from "../policy/rate_limit.ts";
import type { TimerWheel } from "../policy/timer_wheel.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { ErrorCode } from "../protocol/error_code.ts";
import type { Publish } from "../protocol/message.ts";
import type { SessionOptions } from "../options.ts";
import { HeldValues, type HeldValuesOwner } from "./held_values.ts";

/** What a gate needs of the session that it belongs to, and of the node. */
export interface CommandGateOwner {
  /** How fast commands may come. */
  readonly commandRate: RateLimit;
  /** How fast commands may come that are refused. */
  readonly refusalRate: RateLimit;
  readonly options: SessionOptions;
  /** Where values wait that came too fast. */
  readonly wheel: TimerWheel;
  /** Counts a command that is refused, for the node. */
  commandRefused(): void;
}

/** Who is told of what a gate refuses, and does what it lets through late. */
export interface CommandSender {
  /** Answers a command with an error; `id` 0 wants no answer. */
  fail(id: number, code: number, message: string): void;
  /** Closes the transport of a client that does not heed the errors. */
  closeTransport(code: number, reason: string): void;
  /** Publishes a value of a `latest` key, unacknowledged. */
  publishValue(value: Publish): void;
}

/**
 * How fast one session commands, and how many of its commands wait for an answer at once. What is
 * over either limit is refused before any work is done for it; but of values of `latest` keys,
 * whose publisher wants no answer and would not learn of it, the newest of each key waits here
 * until the limits allow it.
 */
export class CommandGate implements HeldValuesOwner {
  /** Commands that were refused, and values that a newer one has replaced here, in count. */
  refused = 0;
  readonly #owner: CommandGateOwner;
  readonly #sender: CommandSender;
  #pending = 0;
  /** When the bucket of {@linkcode CommandGateOwner.commandRate} is full again, and the other. */
  #fullAtMs = 0;
  #refusalsFullAtMs = 0;
  /** Made with the first. */
  #held: HeldValues | undefined;

  constructor(owner: CommandGateOwner, sender: CommandSender) {
    this.#owner = owner;
    this.#sender = sender;
  }

  /** Whether a command is to be done; one that is not is answered, unless its `id` is 0. */
  admit(id: number): boolean {
    const obstacle = this.#take();
    if (obstacle === undefined) return true;
    this.#count();
    this.#sender.fail(id, ErrorCode.TOO_MANY, `${obstacle}: too many came`);
    this.#chargeRefusal(obstacle);
    return false;
  }

  /** Takes an unacknowledged value of a `latest` key, now or when the limits allow it. */
  takeValue(value: Publish): void {
    const obstacle = this.#take();
    const waiting = this.#held !== undefined && this.#held.size > 0;
    if (obstacle === undefined && !waiting) return this.#sender.publishValue(value);
    const { wheel, options } = this.#owner;
    const held = this.#held ??= new HeldValues(this, wheel, options.maxQueueBytes / 4);
    if (!held.put(value)) this.#count();
    // The one that has waited longest goes first, whichever has brought the token.
    if (obstacle === undefined && held.size > 0) this.#sender.publishValue(held.shift());
    if (held.size > 0) held.wait();
    if (obstacle !== undefined) this.#chargeRefusal(obstacle);
  }

  /** Drops a value that waits, for a `newer` one of its key is done now. */
  overtake(newer: Publish): void {
    if (this.#held?.forget(newer)) this.#count();
  }

  /** Publishes the values that wait, as far as the limits allow it. */
  release(): void {
    const held = this.#held!;
    while (held.size > 0) {
      if (this.#take() !== undefined) return held.wait();
      this.#sender.publishValue(held.shift());
    }
  }

  /** The session ends: the last values of a client that has `left` in good order are not lost. */
  end(left: boolean): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    held.stop();
    while (held.size > 0) {
      const value = held.shift();
      if (left) this.#sender.publishValue(value);
      else this.#count();
    }
  }

  /** Counts `pending` as a command that waits for its answer, until it settles. */
  async during<T>(pending: Promise<T>): Promise<T> {
    this.#pending++;
    try {
      return await pending;
    } finally {
      this.#pending--;
    }
  }

  /** Takes a place for one command; or says which rule stands against it. */
  #take(): string | undefined {
    const { commandRate, options } = this.#owner;
    const fullAtMs = commandRate.take(this.#fullAtMs);
    if (fullAtMs === EMPTY) return `Commands may come ${options.maxCommandsPerSecond} a second`;
    this.#fullAtMs = fullAtMs;
    if (this.#pending < options.maxPendingCommands) return undefined;
    return `Commands may wait for an answer ${options.maxPendingCommands} at once`;
  }

  #count(): void {
    this.refused++;
    this.#owner.commandRefused();
  }

  /** Closes for a client that goes on whatever it is refused. */
  #chargeRefusal(rule: string): void {
    const fullAtMs = this.#owner.refusalRate.take(this.#refusalsFullAtMs);
    if (fullAtMs !== EMPTY) this.#refusalsFullAtMs = fullAtMs;
    else this.#sender.closeTransport(CloseCode.FLOODING, `${rule}: too many came all the same`);
  }
}
