/**
 * The rules of motion of the arena: the same module runs in the server, which decides, and in the
 * page, which predicts. One tick of both gives the same result, or the prediction would be wrong.
 *
 * Lengths are in units, speeds in units a second, angles in radians, clockwise from the right.
 */

export const TICKS_PER_SECOND = 30;
/** The world is a torus: whoever leaves on one side comes back on the other. */
export const WORLD = 3000;
/** The world is published in square cells of this size, each the value of one key. */
export const CELL = 500;

/** What a pilot can do at once, as bits of one number. */
export const LEFT = 1;
export const RIGHT = 2;
export const THRUST = 4;
export const FIRE = 8;

export const SHIP_RADIUS = 20;
export const BULLET_SPEED = 620;
export const HULL = 3;

const TURN = 4.4;
const ACCELERATION = 560;
/** The part of its speed that a ship keeps in a tick: it flies at most 390 units a second. */
const KEEP = 0.954;

/** @typedef {{ x: number, y: number, vx: number, vy: number, angle: number }} Body */

/**
 * Moves a ship by one tick.
 *
 * @param {Body} body
 * @param {number} buttons
 */
export function fly(body, buttons) {
  const seconds = 1 / TICKS_PER_SECOND;
  if (buttons & LEFT) body.angle -= TURN * seconds;
  if (buttons & RIGHT) body.angle += TURN * seconds;
  if (buttons & THRUST) {
    body.vx += Math.cos(body.angle) * ACCELERATION * seconds;
    body.vy += Math.sin(body.angle) * ACCELERATION * seconds;
  }
  body.vx *= KEEP;
  body.vy *= KEEP;
  body.x = wrap(body.x + body.vx * seconds);
  body.y = wrap(body.y + body.vy * seconds);
}

/**
 * A coordinate brought back into the world.
 *
 * @param {number} value
 * @returns {number}
 */
export function wrap(value) {
  return ((value % WORLD) + WORLD) % WORLD;
}

/**
 * The shortest way from one coordinate to another around the torus.
 *
 * @param {number} from
 * @param {number} to
 * @returns {number}
 */
export function way(from, to) {
  return wrap(to - from + WORLD / 2) - WORLD / 2;
}

/**
 * The shortest turn from one angle to another, from -π to π.
 *
 * @param {number} from
 * @param {number} to
 * @returns {number}
 */
export function turn(from, to) {
  return Math.atan2(Math.sin(to - from), Math.cos(to - from));
}

/**
 * The key of the cell that a place lies in.
 *
 * @param {number} x
 * @param {number} y
 * @returns {string}
 */
export function cellOf(x, y) {
  return `${Math.floor(wrap(x) / CELL)},${Math.floor(wrap(y) / CELL)}`;
}

/**
 * The keys of all cells that a view around a place touches: what its player has to know.
 *
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @returns {Set<string>}
 */
export function cellsAround(x, y, width, height) {
  const keys = new Set();
  const columns = Math.min(Math.ceil(width / CELL), WORLD / CELL - 1);
  const rows = Math.min(Math.ceil(height / CELL), WORLD / CELL - 1);
  for (let column = 0; column <= columns; column++) {
    for (let row = 0; row <= rows; row++) {
      keys.add(
        cellOf(x + width * (column / columns - 0.5), y + height * (row / rows - 0.5)),
      );
    }
  }
  return keys;
}

/**
 * A ship as it is published: `[id, x, y, vx, vy, angle, hull, shielded, seq]`, in tenths and
 * milliradians; `seq` is the last input that it has followed. A shot ship has a hull of 0.
 *
 * @param {readonly number[]} tuple
 * @returns {Body & { id: number, hull: number, shielded: boolean, seq: number }}
 */
export function shipOf(tuple) {
  const [id, x, y, vx, vy, angle, hull, shielded, seq] = tuple;
  return {
    id,
    x: x / 10,
    y: y / 10,
    vx: vx / 10,
    vy: vy / 10,
    angle: angle / 1000,
    hull,
    shielded: shielded === 1,
    seq,
  };
}

/**
 * @param {ReturnType<typeof shipOf>} ship
 * @returns {number[]}
 */
export function tupleOf(ship) {
  return [
    ship.id,
    Math.round(ship.x * 10),
    Math.round(ship.y * 10),
    Math.round(ship.vx * 10),
    Math.round(ship.vy * 10),
    Math.round(ship.angle * 1000),
    ship.hull,
    ship.shielded ? 1 : 0,
    ship.seq,
  ];
}
