/** A source of numbers spread evenly over [0, 1). */
export type Random = () => number;

/** The runtime's own source. It spreads load; it must never make a secret. */
export const systemRandom: Random = Math.random;

/**
 * A source that gives the same numbers for the same `seed` (its low 32 bits count): mulberry32 by
 * Tommy Ettinger, placed in the public domain
 * (https://gist.github.com/tommyettinger/46a874533244883189143505d203312c).
 * Its period of 2^32 is plenty for delays; it must never make a secret.
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
