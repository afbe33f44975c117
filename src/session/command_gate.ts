import { EMPTY, type RateLimit } from "../policy/rate_limit.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { ErrorCode } from "../protocol/error_code.ts";
import type { SessionOptions } from "../options.ts";

/** What a gate needs of the session that it belongs to, and of the node. */
export interface CommandGateOwner {
  /** How fast commands may come. */
  readonly commandRate: RateLimit;
  /** How fast commands may come that are refused. */
  readonly refusalRate: RateLimit;
  readonly options: SessionOptions;
  /** Counts a command that is refused, for the node. */
  commandRefused(): void;
}

/** Who is told of what a gate refuses. */
export interface CommandSender {
  /** Answers a command with an error; `id` 0 wants no answer. */
  fail(id: number, code: number, message: string): void;
  /** Closes the transport of a client that does not heed the errors. */
  closeTransport(code: number, reason: string): void;
}

/**
 * How fast one session commands, and how many of its commands wait for an answer at once. What is
 * over either limit is refused before any work is done for it.
 */
export class CommandGate {
  /** Commands that were refused, in count. */
  refused = 0;
  readonly #owner: CommandGateOwner;
  readonly #sender: CommandSender;
  #pending = 0;
  /** When the bucket of {@linkcode CommandGateOwner.commandRate} is full again, and the other. */
  #fullAtMs = 0;
  #refusalsFullAtMs = 0;

  constructor(owner: CommandGateOwner, sender: CommandSender) {
    this.#owner = owner;
    this.#sender = sender;
  }

  /** Whether a command is to be done; one that is not is answered, unless its `id` is 0. */
  admit(id: number): boolean {
    const { commandRate, options } = this.#owner;
    const fullAtMs = commandRate.take(this.#fullAtMs);
    if (fullAtMs === EMPTY) {
      this.#refuse(id, `Commands may come ${options.maxCommandsPerSecond} a second`);
      return false;
    }
    this.#fullAtMs = fullAtMs;
    if (this.#pending < options.maxPendingCommands) return true;
    this.#refuse(id, `Commands may wait for an answer ${options.maxPendingCommands} at once`);
    return false;
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

  /** Refuses a command, and closes for a client that does not heed that. */
  #refuse(id: number, rule: string): void {
    const { refusalRate } = this.#owner;
    this.refused++;
    this.#owner.commandRefused();
    this.#sender.fail(id, ErrorCode.TOO_MANY, `${rule}: too many came`);
    const fullAtMs = refusalRate.take(this.#refusalsFullAtMs);
    if (fullAtMs !== EMPTY) this.#refusalsFullAtMs = fullAtMs;
    else this.#sender.closeTransport(CloseCode.FLOODING, `${rule}: too many came all the same`);
  }
}
