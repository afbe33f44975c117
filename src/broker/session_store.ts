/**
 * Texts by which nodes know of each other's sessions, each for a limited time. Errors are
 * `CommandError`s with code 503 where the store cannot be reached.
 */
export interface SessionStore {
  /** Keeps `text` under `name` for `ttlMs` milliseconds, in place of what is there. */
  put(name: string, text: string, ttlMs: number): Promise<void>;
  /** What is under `name`; `undefined` if there is nothing. */
  get(name: string): Promise<string | undefined>;
  /** Takes what is under `name`: nobody gets it again. `undefined` if there is nothing. */
  take(name: string): Promise<string | undefined>;
  /** Keeps what is under `name` for `ttlMs` milliseconds from now; false if there is nothing. */
  touch(name: string, ttlMs: number): Promise<boolean>;
  /** Forgets what is under `name`. */
  remove(name: string): Promise<void>;
}
