/**
 * Rates and numbers that nodes count together. Errors are `CommandError`s with code 503 where the
 * store cannot be reached.
 */
export interface LimitStore {
  /** How long a claim holds, in milliseconds; a node that is there renews it before. */
  readonly ttlMs: number;
  /**
   * Takes `points` of the `perSecond` that all nodes have of `name` within a second.
   *
   * @returns 0 if they are there. Else in how many milliseconds there will be some; what was asked
   * for counts against this second all the same.
   */
  take(name: string, perSecond: number, points: number): Promise<number>;
  /**
   * Says that this node `has` so many of `name`, of which all nodes may have `max`, and `wants` more.
   *
   * @returns How many of those it has from now on: as many as there is room for. What it `has` is
   * counted in any case.
   */
  claim(name: string, has: number, wants: number, max: number): Promise<number>;
}
