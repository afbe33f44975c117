/** What the player presses: keys, or a finger on the picture and the button to fire. */
import { FIRE, LEFT, RIGHT, THRUST, turn } from "./arena_rules.js";

const KEYS = {
  ArrowLeft: LEFT,
  KeyA: LEFT,
  ArrowRight: RIGHT,
  KeyD: RIGHT,
  ArrowUp: THRUST,
  KeyW: THRUST,
  Space: FIRE,
};

export class Controls {
  #held = 0;
  /** Where a finger points to, from the middle of the picture: an angle. */
  #heading;

  /** @param {HTMLElement} fire The button to fire. */
  constructor(fire) {
    addEventListener("keydown", (event) => {
      const button = KEYS[event.code];
      // A key on a slider or a list is meant for it.
      if (!button || event.target.closest?.("input, select, button, a, summary")) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#held |= button;
    });
    addEventListener("keyup", ({ code }) => this.#held &= ~(KEYS[code] ?? 0));
    addEventListener("blur", () => this.#held = 0);
    fire.addEventListener("pointerdown", (event) => {
      fire.setPointerCapture(event.pointerId);
      this.#held |= FIRE;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      fire.addEventListener(end, () => this.#held &= ~FIRE);
    }
    // Enter or Space on the button itself: one shot.
    fire.addEventListener("keydown", ({ code }) => {
      if (code === "Space" || code === "Enter") this.#held |= FIRE;
    });
    fire.addEventListener("keyup", () => this.#held &= ~FIRE);
  }

  /** Lets a finger or a pressed mouse on `canvas` steer. */
  watch(canvas) {
    const point = ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      const x = clientX - box.left - box.width / 2;
      const y = clientY - box.top - box.height / 2;
      this.#heading = Math.atan2(y, x);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.#heading !== undefined) point(event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => this.#heading = undefined);
    }
  }

  /** The buttons of this tick, for a ship that points to `angle`. */
  buttons(angle = 0) {
    if (this.#heading === undefined) return this.#held;
    const off = turn(angle, this.#heading);
    const steering = off < -0.1 ? LEFT : off > 0.1 ? RIGHT : 0;
    return this.#held | steering | (Math.abs(off) < 1 ? THRUST : 0);
  }
}
