/**
 * The world as one client sees it: puts the cells' updates together and shows everything a little in
 * the past, between two updates, so that it moves evenly. What runs out of updates goes on as it flew
 * for a moment, and then stands still: that is what a stall looks like.
 */
import { shipOf, TICKS_PER_SECOND, way, wrap } from "./arena_rules.js";

const TICK_MS = 1000 / TICKS_PER_SECOND;
/** Three updates: one may be lost and another late without anybody seeing it. */
const BEHIND_MS = 3 * TICK_MS;
/** How long a thing goes on without an update. */
const COAST_TICKS = 6;
const KEPT_SAMPLES = 12;

export class World {
  /** The newest update of each cell. */
  #cells = new Map();
  /** Ships and bullets by number: `{ kind, cell, samples }`, a sample being `{ t, x, y, … }`. */
  #things = new Map();
  /** By how much the server's ticks, in milliseconds, are ahead of this page's clock. */
  #lead = -Infinity;
  #leadAt = 0;
  #expected = 0;
  #received = 0;

  /** Takes the update of a cell. Returns the ships in it, as they are. */
  update(key, { t, s, b, g }) {
    const before = this.#cells.get(key);
    if (before && before.t >= t) return [];
    // A cell with something in it has an update in each tick.
    if (before && before.moving && t - before.t <= TICKS_PER_SECOND) {
      this.#expected += t - before.t;
      this.#received++;
    }
    this.#cells.set(key, { t, gems: g, moving: s.length + b.length > 0 });
    this.#measureLead(t);
    const ships = s.map(shipOf);
    for (const ship of ships) this.#put("ship", key, ship.id, { t, ...ship });
    for (const [id, x, y, vx, vy, hue] of b) {
      this.#put("bullet", key, id, { t, x, y, vx, vy, hue });
    }
    return ships;
  }

  /** Forgets a cell that is out of sight. */
  forget(key) {
    this.#cells.delete(key);
    for (const [id, thing] of this.#things) if (thing.cell === key) this.#things.delete(id);
  }

  /** Forgets everything. */
  clear() {
    this.#cells.clear();
    this.#things.clear();
  }

  /** The share of updates that never came, since the last call; `undefined` if none was due. */
  takeLoss() {
    const loss = this.#expected > 0 ? Math.max(0, 1 - this.#received / this.#expected) : undefined;
    this.#expected = this.#received = 0;
    return loss;
  }

  /** Ships and bullets as they are to be shown now: `{ id, kind, x, y, … }`. */
  *things() {
    const tick = (performance.now() + this.#lead - BEHIND_MS) / TICK_MS;
    for (const [id, { kind, cell, samples }] of this.#things) {
      const last = samples.at(-1);
      const cellTick = this.#cells.get(cell)?.t ?? 0;
      if ((cellTick > last.t + 1 && tick > last.t) || tick > last.t + 2 * TICKS_PER_SECOND) {
        this.#things.delete(id);
      } else if (tick >= samples[0].t) yield { id, kind, ...placeAt(samples, tick) };
    }
  }

  /** Where gems are: `[x, y]`. */
  *gems() {
    for (const { gems } of this.#cells.values()) yield* gems;
  }

  #put(kind, cell, id, sample) {
    const thing = this.#things.get(id);
    if (!thing) return void this.#things.set(id, { kind, cell, samples: [sample] });
    if (thing.samples.at(-1).t >= sample.t) return;
    thing.cell = cell;
    thing.samples.push(sample);
    if (thing.samples.length > KEPT_SAMPLES) thing.samples.shift();
  }

  /** The update that came fastest says how far the server is; slowly forgotten, as clocks drift. */
  #measureLead(tick) {
    const now = performance.now();
    this.#lead -= (now - this.#leadAt) / 500;
    this.#leadAt = now;
    this.#lead = Math.max(this.#lead, tick * TICK_MS - now);
  }
}

/** The place of a thing at a tick, between two samples or after the last. */
function placeAt(samples, tick) {
  const after = samples.find(({ t }) => t > tick);
  if (after === undefined) {
    const last = samples.at(-1);
    const seconds = Math.min(tick - last.t, COAST_TICKS) / TICKS_PER_SECOND;
    return { ...last, x: wrap(last.x + last.vx * seconds), y: wrap(last.y + last.vy * seconds) };
  }
  const before = samples[samples.indexOf(after) - 1] ?? after;
  const part = after === before ? 0 : (tick - before.t) / (after.t - before.t);
  const dx = way(before.x, after.x);
  const dy = way(before.y, after.y);
  // Who comes back elsewhere does not fly there.
  if (Math.abs(dx) + Math.abs(dy) > 200) return before;
  const angle = after.angle === undefined
    ? undefined
    : before.angle + (after.angle - before.angle) * part;
  return { ...before, x: wrap(before.x + dx * part), y: wrap(before.y + dy * part), angle };
}
