import { TimerEntry, type TimerWheel } from "../policy/timer_wheel.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";

/**
 * What `pending` comes to, or a refusal with 503 if that takes longer than `ms`; 0 waits for ever.
 * What is no promise is there at once.
 */
export function within<T>(wheel: TimerWheel, ms: number, pending: T | Promise<T>): T | Promise<T> {
  if (!(pending instanceof Promise) || ms === 0) return pending;
  return new Promise<T>((resolve, reject) => {
    const deadline = new Deadline(ms, reject);
    wheel.schedule(deadline, ms);
    pending.finally(() => wheel.cancel(deadline)).then(resolve, reject);
  });
}

class Deadline extends TimerEntry {
  readonly #ms: number;
  readonly #reject: (error: CommandError) => void;

  constructor(ms: number, reject: (error: CommandError) => void) {
    super();
    this.#ms = ms;
    this.#reject = reject;
  }

  override onDue(): void {
    this.#reject(
      new CommandError(
        ErrorCode.UNAVAILABLE,
        `The application did not answer in time: ${this.#ms} ms`,
      ),
    );
  }
}
