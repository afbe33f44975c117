/**
 * The player's own ship is shown where it will be: the page flies it by the server's rules as soon as
 * a key is pressed. Each update says which input the server has followed; from there the later ones
 * are flown again, and what differs is smoothed away.
 */
import { fly, TICKS_PER_SECOND, way, wrap } from "./arena_rules.js";

/** Sent with each input, so that one lost datagram loses nothing: 0.2 s. */
const REPEATED = 6;
/** Four seconds: after a longer stall the ship jumps to where it is. */
const REMEMBERED = 4 * TICKS_PER_SECOND;

/** What the player did, tick by tick: `[seq, buttons]`. */
export class Inputs {
  seq = 0;
  #made = [];

  /** Adds the buttons of a tick, and returns what to send. */
  add(buttons) {
    this.#made.push([++this.seq, buttons]);
    if (this.#made.length > REMEMBERED) this.#made.shift();
    return this.#made.slice(-REPEATED);
  }

  /** What was done after the input `seq`. */
  after(seq) {
    return this.#made.filter(([made]) => made > seq);
  }
}

/** The own ship, ahead of the server. */
export class Prediction {
  /** As the server said last, with the predicted body; `undefined` before it said anything. */
  ship;
  #inputs;
  #tick = -1;
  /** Where the body was a tick ago, for frames between two ticks. */
  #before = { x: 0, y: 0, angle: 0 };
  /** What is still to be smoothed away. */
  #error = { x: 0, y: 0 };

  /** @param {Inputs} inputs */
  constructor(inputs) {
    this.#inputs = inputs;
  }

  /** Takes what the server says of the ship at a tick. */
  correct(ship, tick = Infinity) {
    if (tick <= this.#tick) return;
    if (tick !== Infinity) this.#tick = tick;
    const shown = this.ship;
    const body = { ...ship };
    const back = shown?.hull === 0 && ship.hull > 0;
    if (ship.hull > 0) {
      for (const [, buttons] of this.#inputs.after(ship.seq)) fly(body, buttons);
    }
    const x = shown && !back ? way(body.x, shown.x) : 0;
    const y = shown && !back ? way(body.y, shown.y) : 0;
    // Too far to be smoothed: a jump is honest.
    const jump = !shown || back || Math.hypot(x, y) > 250;
    this.#error = jump ? { x: 0, y: 0 } : { x: this.#error.x + x, y: this.#error.y + y };
    this.#before = jump
      ? { ...body }
      : { x: this.#before.x - x, y: this.#before.y - y, angle: this.#before.angle };
    this.ship = body;
  }

  /** Flies the ship for one tick. */
  step(buttons) {
    if (!this.ship) return;
    const { x, y, angle } = this.ship;
    this.#before = { x, y, angle };
    if (this.ship.hull > 0) fly(this.ship, buttons);
  }

  /** Where to show the ship, `part` of a tick after the last but one. */
  place(part) {
    const { ship } = this;
    if (!ship) return undefined;
    this.#error.x *= 0.88;
    this.#error.y *= 0.88;
    const before = this.#before;
    return {
      x: wrap(before.x + way(before.x, ship.x) * part + this.#error.x),
      y: wrap(before.y + way(before.y, ship.y) * part + this.#error.y),
      angle: before.angle + (ship.angle - before.angle) * part,
    };
  }
}
