import { EMPTY } from "../../policy/rate_limit.ts";
import type { TimerWheel } from "../../policy/timer_wheel.ts";
import { CloseCode } from "../../protocol/close_code.ts";
import { ErrorCode } from "../../protocol/error_code.ts";
import type { Publish } from "../../protocol/message.ts";
import type { SessionOptions } from "../../options.ts";
import type { Account } from "./account.ts";
import { HeldValues, type HeldValuesOwner } from "./held_values.ts";
import type { LimitName } from "./limit_name.ts";
import type { SessionRates } from "./session_rates.ts";

/** What a gate needs of the session that it belongs to, and of the node. */
export interface CommandGateOwner {
  readonly rates: SessionRates;
  readonly options: SessionOptions;
  /** Where values wait that came too fast. */
  readonly wheel: TimerWheel;
  /** Counts a command that is refused, for the node. */
  commandRefused(): void;
  /** Counts that a limit stood against something. */
  limited(limit: LimitName): void;
  /** What a limit says. */
  ruleOf(limit: LimitName): string;
}

/** Who is told of what a gate refuses, and does what it lets through late. */
export interface CommandSender {
  /** Answers a command with an error; `id` 0 wants no answer. */
  fail(id: number, code: number, message: string): void;
  /** Closes the transport of a client that does not heed the errors. */
  closeTransport(code: number, reason: string): void;
  /** Publishes a value of a `latest` key, unacknowledged. */
  publishValue(value: Publish): void;
  /** What its user and its address have left. */
  readonly account: Account;
}

/**
 * How fast one session sends, commands and publishes, and how many of its commands wait for an answer
 * at once. What is over a limit is refused before any work is done for it; but of values of `latest` keys,
 * whose publisher wants no answer and would not learn of it, the newest of each key waits here
 * until the limits allow it.
 */
export class CommandGate implements HeldValuesOwner {
  /** Commands that were refused, and values that a newer one has replaced here, in count. */
  refused = 0;
  readonly #owner: CommandGateOwner;
  readonly #sender: CommandSender;
  #pending = 0;
  /** When the buckets of {@linkcode SessionRates} are full again. */
  #commandsFullAtMs = 0;
  #publishesFullAtMs = 0;
  #bytesFullAtMs = 0;
  #refusalsFullAtMs = 0;
  /** Made with the first. */
  #held: HeldValues | undefined;

  constructor(owner: CommandGateOwner, sender: CommandSender) {
    this.#owner = owner;
    this.#sender = sender;
  }

  /**
   * Whether a command that came in so many bytes is to be done; one that is not is answered, unless
   * its `id` is 0.
   */
  admit(id: number, bytes: number): boolean {
    return this.#admit(id, this.#take(bytes, false));
  }

  /** The same, of a publish. */
  admitPublish(id: number, bytes: number): boolean {
    return this.#admit(id, this.#take(bytes, true));
  }

  /** Takes an unacknowledged value of a `latest` key, now or when the limits allow it. */
  takeValue(value: Publish, bytes: number): void {
    const obstacle = this.#take(bytes, true);
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
      // Their bytes were charged when they came.
      if (this.#take(0, true) !== undefined) return held.wait();
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

  #admit(id: number, obstacle: LimitName | undefined): boolean {
    if (obstacle === undefined) return true;
    this.#count();
    this.#sender.fail(id, ErrorCode.TOO_MANY, `${this.#owner.ruleOf(obstacle)}: too many came`);
    this.#chargeRefusal(obstacle);
    return false;
  }

  /** Takes a place for one command of so many bytes; or says which limit stands against it. */
  #take(bytes: number, publishes: boolean): LimitName | undefined {
    const { rates, options } = this.#owner;
    const nowMs = rates.clock.now();
    const bytesFullAtMs = rates.bytes.take(this.#bytesFullAtMs, bytes, nowMs);
    if (bytesFullAtMs === EMPTY) return "session.maxBytesPerSecond";
    this.#bytesFullAtMs = bytesFullAtMs;
    const commandsFullAtMs = rates.commands.take(this.#commandsFullAtMs, 1, nowMs);
    if (commandsFullAtMs === EMPTY) return "session.maxCommandsPerSecond";
    this.#commandsFullAtMs = commandsFullAtMs;
    if (this.#pending >= options.maxPendingCommands) return "session.maxPendingCommands";
    const { account } = this.#sender;
    if (bytes > 0) {
      const obstacle = account.takeBytes(bytes, nowMs);
      if (obstacle !== undefined) return obstacle;
    }
    if (!publishes) return undefined;
    const publishesFullAtMs = rates.publishes.take(this.#publishesFullAtMs, 1, nowMs);
    if (publishesFullAtMs === EMPTY) return "session.maxPublishesPerSecond";
    this.#publishesFullAtMs = publishesFullAtMs;
    return account.takePublish(nowMs);
  }

  #count(): void {
    this.refused++;
    this.#owner.commandRefused();
  }

  /** Closes for a client that goes on whatever it is refused. */
  #chargeRefusal(obstacle: LimitName): void {
    this.#owner.limited(obstacle);
    const fullAtMs = this.#owner.rates.refusals.take(this.#refusalsFullAtMs);
    if (fullAtMs !== EMPTY) this.#refusalsFullAtMs = fullAtMs;
    else {
      const reason = `${this.#owner.ruleOf(obstacle)}: too many came all the same`;
      this.#sender.closeTransport(CloseCode.FLOODING, reason);
    }
  }
}
