/** Keeps the order of a session's publications to each channel while an app is asked about them. */
export class PublishTurns {
  /** When the last publication to each channel will have begun; bounded by `maxPendingCommands`. */
  readonly #last = new Map<string, Promise<void>>();

  /** Whether a publication to the channel has not begun yet. */
  has(channel: string): boolean {
    return this.#last.has(channel);
  }

  /**
   * Calls `begin` with what `ready` comes to, once those for the same channel that came before
   * have begun or failed. The app is asked about several at once; what it refuses rejects.
   */
  async take<Ready, Result>(
    channel: string,
    ready: Promise<Ready>,
    begin: (ready: Ready) => Promise<Result>,
  ): Promise<Result> {
    const before = this.#last.get(channel);
    const { promise: turn, resolve: end } = Promise.withResolvers<void>();
    this.#last.set(channel, turn);
    let begun: Promise<Result>;
    try {
      // Both are waited for at once: either may fail before the other is there.
      const [value] = await Promise.allSettled([ready, before]);
      if (value.status === "rejected") throw value.reason;
      begun = begin(value.value);
    } finally {
      end();
      if (this.#last.get(channel) === turn) this.#last.delete(channel);
    }
    return await begun;
  }
}
