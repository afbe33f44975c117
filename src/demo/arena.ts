import type { Random } from "../policy/random.ts";
import {
  BULLET_SPEED,
  cellOf,
  FIRE,
  fly,
  HULL,
  SHIP_RADIUS,
  TICKS_PER_SECOND,
  tupleOf,
  way,
  WORLD,
  wrap,
} from "../web/arena_rules.js";
import { decide } from "./pilot.ts";

/** One input of a player: its number, rising by one a tick of the page, and the buttons held. */
export type Input = readonly [seq: number, buttons: number];

/** What a player is called: text and a hue from 0 to 359. */
export interface Name {
  readonly name: string;
  readonly hue: number;
}

/** A line of the scoreboard. */
export interface Standing extends Name {
  readonly id: number;
  readonly score: number;
}

/** What happened and must reach everybody. */
export type ArenaEvent =
  | ({ readonly type: "join" } & Standing)
  | { readonly type: "leave"; readonly id: number }
  | { readonly type: "score"; readonly id: number; readonly score: number }
  | { readonly type: "kill"; readonly id: number; readonly by: number };

/** One cell of the world at one tick: what is published under its key. */
export interface CellState {
  readonly tick: number;
  /** As `arena_rules.js` says. */
  readonly ships: number[][];
  /** `[id, x, y, vx, vy, hue]`, whole units. */
  readonly bullets: number[][];
  /** `[x, y]`, whole units. */
  readonly gems: number[][];
}

interface Ship extends Name {
  readonly id: number;
  /** The session that steers it; `undefined` for a ship of the house. */
  readonly session: string | undefined;
  x: number;
  y: number;
  vx: number;
  vy: number;
  angle: number;
  hull: number;
  shielded: boolean;
  seq: number;
  score: number;
  buttons: number;
  /** Inputs that wait for their tick, in order; at most {@linkcode MAX_WAITING}. */
  readonly waiting: Input[];
  /** The tick of its last input. */
  heardTick: number;
  /** The tick from which it may fire again, comes back, and loses its shield. */
  fireTick: number;
  backTick: number;
  shieldTick: number;
  /** The tick in which it was put where it is. */
  placedTick: number;
}

interface Bullet {
  readonly id: number;
  readonly ship: Ship;
  x: number;
  y: number;
  readonly vx: number;
  readonly vy: number;
  readonly endTick: number;
}

/**
 * The game: ships on a torus that collect gems and shoot each other. Pure: `tick()` is its time,
 * chance is injected, and what it returns is all there is to publish.
 */
export class Arena {
  readonly #random: Random;
  readonly #ships = new Map<number, Ship>();
  readonly #bySession = new Map<string, Ship>();
  #bullets: Bullet[] = [];
  readonly #gems: [x: number, y: number][] = [];
  /** Cells that were published with something in them, by key. */
  #occupied = new Set<string>();
  #events: ArenaEvent[] = [];
  #tick = 0;
  #nextId = 1;

  /** @param houseShips How many ships fly by themselves, so that nobody is alone. */
  constructor(random: Random, houseShips = 8) {
    this.#random = random;
    for (let i = 0; i < GEMS; i++) this.#gems.push(this.#somewhere());
    for (let i = 0; i < houseShips; i++) {
      this.#launch({ name: HOUSE_NAMES[i % HOUSE_NAMES.length]!, hue: (i * 47) % 360 }, undefined);
    }
  }

  /** How many ships there are, those of the house included. */
  get size(): number {
    return this.#ships.size;
  }

  /** How many ships have a player. */
  get players(): number {
    return this.#bySession.size;
  }

  get standings(): Standing[] {
    return [...this.#ships.values()].map(standingOf);
  }

  /**
   * Gives a session its ship; the one that it has, if any.
   *
   * @returns The ship's number, or `undefined` if the arena is full.
   */
  join(session: string, { name, hue }: Name): number | undefined {
    const present = this.#bySession.get(session);
    if (present !== undefined) return present.id;
    if (this.#ships.size >= MAX_SHIPS) return undefined;
    return this.#launch({ name: name.slice(0, 24), hue: Math.trunc(hue) % 360 }, session).id;
  }

  /** Takes the newest inputs of a session, oldest first; those known already are passed over. */
  steer(session: string, inputs: readonly Input[]): void {
    const ship = this.#bySession.get(session);
    if (ship === undefined) return;
    ship.heardTick = this.#tick;
    for (const input of inputs) {
      const newest = ship.waiting.at(-1)?.[0] ?? ship.seq;
      if (input[0] <= newest) continue;
      // A page that runs ahead, or a burst after a stall: the oldest would only come too late.
      if (ship.waiting.length === MAX_WAITING) ship.waiting.shift();
      ship.waiting.push(input);
    }
  }

  /** Takes the ship of a session away. */
  leave(session: string): void {
    const ship = this.#bySession.get(session);
    if (ship === undefined) return;
    this.#bySession.delete(session);
    this.#ships.delete(ship.id);
    this.#events.push({ type: "leave", id: ship.id });
  }

  /** Moves the world by one tick, and returns each cell that has something in it, or had. */
  tick(): Map<string, CellState> {
    this.#tick++;
    for (const ship of this.#ships.values()) this.#moveShip(ship);
    this.#moveBullets();
    return this.#cells();
  }

  /**
   * Players' ships that came to another place in the last tick, as tuples, and each of the others
   * once a second: a player who looks at the cells around its ship would not find it again.
   */
  *placed(): Iterable<number[]> {
    for (const ship of this.#bySession.values()) {
      const jumped = ship.placedTick === this.#tick;
      if (jumped || (this.#tick + ship.id) % REFRESH_TICKS === 0) yield tupleOf(ship);
    }
  }

  /** What has happened since the last call. */
  takeEvents(): ArenaEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #launch({ name, hue }: Name, session: string | undefined): Ship {
    const [x, y] = this.#somewhere();
    const ship: Ship = {
      id: this.#nextId++,
      name,
      hue,
      session,
      x,
      y,
      vx: 0,
      vy: 0,
      angle: this.#random() * 2 * Math.PI,
      hull: HULL,
      shielded: true,
      seq: 0,
      score: 0,
      buttons: 0,
      waiting: [],
      heardTick: this.#tick,
      fireTick: 0,
      backTick: 0,
      shieldTick: this.#tick + SHIELD_TICKS,
      placedTick: this.#tick + 1,
    };
    this.#ships.set(ship.id, ship);
    if (session !== undefined) this.#bySession.set(session, ship);
    this.#events.push({ type: "join", ...standingOf(ship) });
    return ship;
  }

  #moveShip(ship: Ship): void {
    if (ship.session !== undefined) {
      if (this.#tick - ship.heardTick > IDLE_TICKS) return this.leave(ship.session);
      this.#takeInput(ship);
    } else if ((this.#tick + ship.id) % 4 === 0) {
      ship.buttons = decide(ship, this.#targetsOf(ship), this.#gems, this.#random() * 0.6);
    }
    if (ship.hull === 0) {
      if (this.#tick >= ship.backTick) this.#bringBack(ship);
      return;
    }
    fly(ship, ship.buttons);
    if (ship.shielded && this.#tick >= ship.shieldTick) ship.shielded = false;
    if (ship.buttons & FIRE && this.#tick >= ship.fireTick) this.#fire(ship);
    this.#collect(ship);
  }

  /** One input a tick, as they were made; two where they pile up, so that a stall is caught up. */
  #takeInput(ship: Ship): void {
    const next = ship.waiting.length > CATCH_UP
      ? ship.waiting.splice(0, 2)[1]
      : ship.waiting.shift();
    // Where none has come the ship goes on as it did.
    if (next !== undefined) [ship.seq, ship.buttons] = next;
  }

  #bringBack(ship: Ship): void {
    [ship.x, ship.y] = this.#somewhere();
    ship.vx = ship.vy = 0;
    ship.hull = HULL;
    ship.shielded = true;
    ship.shieldTick = this.#tick + SHIELD_TICKS;
    ship.placedTick = this.#tick;
  }

  #fire(ship: Ship): void {
    ship.fireTick = this.#tick + FIRE_TICKS;
    ship.shielded = false;
    const dx = Math.cos(ship.angle);
    const dy = Math.sin(ship.angle);
    this.#bullets.push({
      id: this.#nextId++,
      ship,
      x: wrap(ship.x + dx * SHIP_RADIUS),
      y: wrap(ship.y + dy * SHIP_RADIUS),
      vx: ship.vx + dx * BULLET_SPEED,
      vy: ship.vy + dy * BULLET_SPEED,
      endTick: this.#tick + BULLET_TICKS,
    });
  }

  #collect(ship: Ship): void {
    for (const gem of this.#gems) {
      if (!near(ship, gem[0], gem[1], SHIP_RADIUS + GEM_RADIUS)) continue;
      [gem[0], gem[1]] = this.#somewhere();
      ship.hull = Math.min(HULL, ship.hull + 1);
      this.#reward(ship, GEM_POINTS);
    }
  }

  #moveBullets(): void {
    this.#bullets = this.#bullets.filter((bullet) => {
      if (this.#tick >= bullet.endTick) return false;
      bullet.x = wrap(bullet.x + bullet.vx / TICKS_PER_SECOND);
      bullet.y = wrap(bullet.y + bullet.vy / TICKS_PER_SECOND);
      for (const ship of this.#ships.values()) {
        if (ship === bullet.ship || ship.hull === 0) continue;
        if (!near(ship, bullet.x, bullet.y, SHIP_RADIUS)) continue;
        if (!ship.shielded) this.#hit(ship, bullet.ship);
        return false;
      }
      return true;
    });
  }

  #hit(ship: Ship, by: Ship): void {
    if (--ship.hull > 0) return;
    ship.backTick = this.#tick + BACK_TICKS;
    ship.waiting.length = 0;
    this.#events.push({ type: "kill", id: ship.id, by: by.id });
    // The shooter may be gone before its bullet.
    if (this.#ships.get(by.id) === by) this.#reward(by, KILL_POINTS);
  }

  #reward(ship: Ship, points: number): void {
    ship.score += points;
    this.#events.push({ type: "score", id: ship.id, score: ship.score });
  }

  #cells(): Map<string, CellState> {
    const cells = new Map<string, CellState>();
    for (const ship of this.#ships.values()) {
      this.#cell(cells, ship.x, ship.y).ships.push(tupleOf(ship));
    }
    for (const { id, ship, x, y, vx, vy } of this.#bullets) {
      const bullet = [id, x, y, vx, vy, ship.hue].map(Math.round);
      this.#cell(cells, x, y).bullets.push(bullet);
    }
    for (const [x, y] of this.#gems) {
      // A gem alone does not change: it is part of a cell when it came, and when others move there.
      this.#cell(cells, x, y).gems.push([Math.round(x), Math.round(y)]);
    }
    const published = new Map<string, CellState>();
    const occupied = new Set<string>();
    for (const [key, cell] of cells) {
      const moving = cell.ships.length + cell.bullets.length > 0;
      if (moving) occupied.add(key);
      if (moving || this.#occupied.has(key) || this.#tick % REFRESH_TICKS === 0) {
        published.set(key, cell);
      }
    }
    for (const key of this.#occupied) {
      if (!cells.has(key)) published.set(key, emptyCell(this.#tick));
    }
    this.#occupied = occupied;
    return published;
  }

  #cell(cells: Map<string, CellState>, x: number, y: number): CellState {
    const key = cellOf(x, y);
    let cell = cells.get(key);
    if (cell === undefined) cells.set(key, cell = emptyCell(this.#tick));
    return cell;
  }

  *#targetsOf(ship: Ship): Iterable<Ship> {
    for (const other of this.#ships.values()) {
      if (other !== ship && other.hull > 0 && !other.shielded) yield other;
    }
  }

  #somewhere(): [x: number, y: number] {
    return [this.#random() * WORLD, this.#random() * WORLD];
  }
}

function emptyCell(tick: number): CellState {
  return { tick, ships: [], bullets: [], gems: [] };
}

function standingOf({ id, name, hue, score }: Ship): Standing {
  return { id, name, hue, score };
}

function near(ship: Ship, x: number, y: number, distance: number): boolean {
  const dx = way(ship.x, x);
  if (dx > distance || dx < -distance) return false;
  const dy = way(ship.y, y);
  return dx * dx + dy * dy < distance * distance;
}

const HOUSE_NAMES = ["Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "Leslie"];

/** One a player of a full server; the tick stays well below its 33 ms. */
const MAX_SHIPS = 250;
/** A quarter of a second: older inputs steer a ship that has long been seen elsewhere. */
const MAX_WAITING = 8;
/** Inputs that wait for jitter's sake; more mean that the page's clock runs ahead. */
const CATCH_UP = 3;
const GEMS = 70;
const GEM_RADIUS = 12;
const GEM_POINTS = 1;
const KILL_POINTS = 5;
const FIRE_TICKS = 8;
const BULLET_TICKS = 27;
const BACK_TICKS = 45;
const SHIELD_TICKS = 45;
/** Who says nothing for 5 s has gone: a page says something in each tick. */
const IDLE_TICKS = 150;
/** Gems that nobody is near come and go: once a second is often enough to see it. */
const REFRESH_TICKS = 30;
