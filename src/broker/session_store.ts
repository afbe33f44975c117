/** A session as the store has it. */
export interface StoredSession {
  /** The node that has it; `""` where it waits for any. */
  readonly node: string;
  /** What that node has said of it; empty for one that has just moved. */
  readonly text: string;
}

/**
 * What nodes know of each other and of each other's sessions, each for a limited time. Names of nodes
 * have eight characters. Whatever changes a session does so only for the node that has it, in one
 * step: of two nodes that want it one gets it, and the one that lost it learns of that.
 *
 * Errors are `CommandError`s with code 503 where the store cannot be reached.
 */
export interface SessionStore {
  /**
   * Keeps a session for `ttlMs` milliseconds, if `from` has it or nobody; false if another has.
   *
   * @param kept Its `node` has it from now on.
   */
  put(session: string, from: string, kept: StoredSession, ttlMs: number): Promise<boolean>;
  get(session: string): Promise<StoredSession | undefined>;
  /**
   * Moves a session from one node to another, if `from` has it and `proof` is in its text, which is
   * what it resolves with; `undefined`, and nothing moved, if not.
   */
  take(
    session: string,
    from: string,
    to: string,
    proof: string,
    ttlMs: number,
  ): Promise<string | undefined>;
  /** Keeps a session for `ttlMs` milliseconds from now, if `node` has it or nobody. */
  renew(session: string, node: string, ttlMs: number): Promise<"kept" | "lost" | "moved">;
  /** Forgets a session, if `node` has it or nobody. */
  remove(session: string, node: string): Promise<void>;
  /** Notes that a node is there, for `ttlMs` milliseconds; 0: that it is not. */
  announce(node: string, ttlMs: number): Promise<void>;
  /** Whether a node has said that it is there. */
  isThere(node: string): Promise<boolean>;
}
