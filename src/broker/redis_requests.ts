import type { Clock, TimerId } from "../policy/clock.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";

export interface RedisRequestsOptions {
  readonly clock: Clock;
  /** How long the answer may take, in milliseconds. */
  readonly timeoutMs: number;
  /** What may wait for an answer at once, in bytes. */
  readonly maxPendingBytes: number;
}

/**
 * What waits for Redis. Each is answered within `timeoutMs`, or fails with 503; so does what would
 * make it more than `maxPendingBytes`. What has failed in time goes on counting until ioredis lets
 * go of it: its bytes are still there.
 */
export class RedisRequests {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #maxPendingBytes: number;
  /** In the order of their deadlines, as all have the same time; those before `#head` are done. */
  #waiting: (Waiting | undefined)[] = [];
  #head = 0;
  #pendingBytes = 0;
  #timer: TimerId | undefined;

  constructor(options: RedisRequestsOptions) {
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    this.#maxPendingBytes = options.maxPendingBytes;
  }

  /** What waits, in bytes. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** @throws {CommandError} With 503 if there is no room for one more of so many bytes. */
  admit(bytes: number): void {
    if (this.#pendingBytes + bytes + REQUEST_BYTES <= this.#maxPendingBytes) return;
    throw new CommandError(
      ErrorCode.UNAVAILABLE,
      `Too much waits for Redis: ${this.#pendingBytes} bytes`,
    );
  }

  /**
   * Waits for what was sent.
   *
   * @throws {CommandError} With 503, whatever the reason.
   */
  answer<T>(sent: Promise<T>, bytes = 0): Promise<T> {
    const held = bytes + REQUEST_BYTES;
    this.#pendingBytes += held;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { dueMs: this.#clock.now() + this.#timeoutMs, reject };
      this.#waiting.push(waiting);
      this.#timer ??= this.#clock.setTimeout(this.#expire, this.#timeoutMs);
      sent.then((value) => {
        this.#settle(waiting, held);
        resolve(value);
      }, (error) => {
        this.#settle(waiting, held);
        reject(unavailable(error instanceof Error ? error.message : String(error)));
      });
    });
  }

  /** Fails everything that waits. */
  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const waiting of this.#waiting) waiting?.reject?.(unavailable("the node goes away"));
    this.#waiting = [];
    this.#head = 0;
  }

  #settle(waiting: Waiting, held: number): void {
    waiting.reject = undefined;
    this.#pendingBytes -= held;
    while (this.#head < this.#waiting.length && !this.#waiting[this.#head]!.reject) {
      this.#waiting[this.#head++] = undefined;
    }
    // Half of the array at once, so that each costs constant time on average.
    if (this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }

  readonly #expire = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    for (let at = this.#head; at < this.#waiting.length; at++) {
      const waiting = this.#waiting[at]!;
      if (waiting.reject === undefined) continue;
      if (waiting.dueMs > nowMs) {
        this.#timer = this.#clock.setTimeout(this.#expire, waiting.dueMs - nowMs);
        return;
      }
      waiting.reject(unavailable(`no answer within ${this.#timeoutMs} ms`));
      waiting.reject = undefined;
    }
  };
}

interface Waiting {
  readonly dueMs: number;
  /** `undefined` once it is settled. */
  reject: ((error: CommandError) => void) | undefined;
}

/** What a command takes beside its bytes: ioredis's objects, promises, and its text. */
const REQUEST_BYTES = 1024;

function unavailable(reason: string): CommandError {
  return new CommandError(ErrorCode.UNAVAILABLE, `Redis did not take the command: ${reason}`);
}
