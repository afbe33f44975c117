import { BULLET_SPEED, FIRE, LEFT, RIGHT, THRUST, turn, way } from "../web/arena_rules.js";

/** What a pilot knows of a thing. */
export interface Sight {
  readonly x: number;
  readonly y: number;
  readonly vx: number;
  readonly vy: number;
}

/** What a pilot knows of its own ship. */
export interface OwnSight extends Sight {
  readonly angle: number;
}

/**
 * Decides what a ship does next: it shoots at who is near, and collects gems meanwhile. Pure; the
 * house's ships and the bots of `bots.ts` think alike.
 *
 * @param mood From 0 to 1: the bolder, the farther away it takes on others.
 * @returns The buttons to hold.
 */
export function decide(
  own: OwnSight,
  others: Iterable<Sight>,
  gems: Iterable<readonly [x: number, y: number]>,
  mood: number,
): number {
  let prey: { dx: number; dy: number } | undefined;
  let nearest = 200 + 250 * mood;
  for (const other of others) {
    const dx = way(own.x, other.x);
    const dy = way(own.y, other.y);
    const distance = Math.hypot(dx, dy);
    if (distance >= nearest) continue;
    nearest = distance;
    // Where it will be when a bullet gets there.
    const seconds = distance / BULLET_SPEED;
    prey = { dx: dx + (other.vx - own.vx) * seconds, dy: dy + (other.vy - own.vy) * seconds };
  }
  if (prey !== undefined) {
    const off = turn(own.angle, Math.atan2(prey.dy, prey.dx));
    return towards(off) | (Math.abs(off) < 0.16 ? FIRE : 0) | (nearest > 170 ? THRUST : 0);
  }

  let goal: { dx: number; dy: number } | undefined;
  let shortest = Infinity;
  for (const [x, y] of gems) {
    const dx = way(own.x, x);
    const dy = way(own.y, y);
    const distance = Math.hypot(dx, dy);
    if (distance < shortest) {
      shortest = distance;
      goal = { dx, dy };
    }
  }
  if (goal === undefined) return THRUST | (mood < 0.02 ? LEFT : 0);
  const off = turn(own.angle, Math.atan2(goal.dy - own.vy * 0.4, goal.dx - own.vx * 0.4));
  return towards(off) | (Math.abs(off) < 0.6 ? THRUST : 0);
}

function towards(off: number): number {
  return off < -0.08 ? LEFT : off > 0.08 ? RIGHT : 0;
}
