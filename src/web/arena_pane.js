/**
 * One picture of the arena: a client of its own, the world that it brings, and the figures under it.
 * Two panes show the same ship; what differs is the way on which they hear of the world.
 */
import { connect } from "/slipstream.js";
import { AgeMeter } from "./age_meter.js";
import { drawArena, viewOf } from "./arena_draw.js";
import { Prediction } from "./arena_prediction.js";
import { cellsAround, shipOf, THRUST, WORLD } from "./arena_rules.js";
import { World } from "./arena_world.js";
import { EmulatedLink } from "./link_emulation.js";

export const NAMES = { webtransport: "WebTransport", websocket: "WebSocket", sse: "SSE + POST" };
/** The cells a little beyond the edge: they are known before they are seen. */
const MARGIN = 260;
const CHART_MS = 500;

export class Pane {
  client;
  prediction;
  #element;
  #canvas;
  #world = new World();
  #ages = new AgeMeter();
  #link;
  #weather;
  #subscription;
  /** The keys that this pane wants to hear of. */
  #keys = new Set();
  #ship = 0;
  /** The last place known, to look at while there is no ship. */
  #place = { x: WORLD / 2, y: WORLD / 2, angle: 0 };
  #loss;

  /**
   * @param {HTMLElement} element
   * @param {{ transport: string, inputs: object, weather: object }} options
   */
  constructor(element, { transport, inputs, weather }) {
    this.#element = element;
    this.#canvas = element.querySelector("canvas.view");
    this.#weather = weather;
    this.#link = new EmulatedLink(weather);
    this.prediction = new Prediction(inputs);
    const chosen = element.querySelector("select");
    chosen.value = transport;
    chosen.addEventListener("change", () => this.client.use(transportsOf(chosen.value)));
    this.client = connect(location.origin, { transports: transportsOf(transport) });
    // Or the round trip would be measured by heartbeats alone.
    this.pinging = setInterval(() => this.client.ping(), 1000);
  }

  get canvas() {
    return this.#canvas;
  }

  /** Shows the world around a ship from now on. */
  follow(ship) {
    const before = `@${this.#ship}`;
    const now = `@${ship}`;
    this.#ship = ship;
    this.prediction.ship = undefined;
    this.#keys.delete(before);
    this.#keys.add(now);
    if (this.#subscription) return void this.#subscription.track([now], [before]);
    this.#subscription = this.client.channel("arena:1").subscribe({
      keys: this.#keys,
      onPublication: (publication) => this.#receive(publication),
      onGap: () => this.#world.clear(),
    });
  }

  close() {
    clearInterval(this.pinging);
    this.client.close();
    this.#element.remove();
  }

  /** Draws a frame, `part` of a tick after the last. */
  draw(part, { board, colors, buttons }) {
    this.#place = this.prediction.place(part) ?? this.#place;
    this.#look();
    const { ship } = this.prediction;
    const own = ship && { ...ship, ...this.#place, kind: "ship", thrusting: buttons & THRUST };
    const things = [...this.#world.things()].filter(({ id }) => id !== this.#ship);
    drawArena(this.#canvas, {
      place: this.#place,
      things: own ? [...things, own] : things,
      gems: this.#world.gems(),
      names: board.ships,
      own: this.#ship,
      colors,
    });
    this.#ages.sample(this.client.rttMs);
  }

  /** Shows the figures; several times a second. */
  showFigures(colors) {
    const { client } = this;
    const figure = (name, text) => {
      const output = this.#element.querySelector(`[data-figure="${name}"]`);
      if (output.textContent !== text) output.textContent = text;
    };
    this.#loss = this.#world.takeLoss() ?? this.#loss;
    const [middle, worst] = [this.#ages.quantile(0.5), this.#ages.quantile(0.99)];
    const ms = (value) => value === undefined ? "–" : `${Math.round(value)} ms`;
    figure("transport", NAMES[client.transport] ?? client.state);
    const { roundTripMs } = this.#weather;
    figure("rtt", ms(client.rttMs) + (roundTripMs > 0 ? ` + ${roundTripMs} ms` : ""));
    figure("loss", this.#loss === undefined ? "–" : `${(this.#loss * 100).toFixed(1)} %`);
    figure("age", middle === undefined ? "–" : `${ms(middle)} · ${ms(worst)}`);
    this.#ages.draw(this.#element.querySelector("canvas.ages"), colors.accent, CHART_MS);
  }

  #receive({ key, data, removed, time }) {
    // What was under way when the view moved on.
    if (!this.#keys.has(key)) return;
    this.#ages.arrived(time);
    const apply = () => this.#apply(key, data, removed, time);
    if (this.client.transport === "webtransport") this.#link.datagram(key, apply);
    else this.#link.stream(apply);
  }

  #apply(key, data, removed, time) {
    if (removed || !this.#keys.has(key)) return;
    this.#ages.shown(time);
    if (key.startsWith("@")) {
      // In its cells the ship is newer, once they are known.
      const ship = shipOf(data);
      if (!this.prediction.ship || this.#isFar(ship)) this.prediction.correct(ship);
      return;
    }
    for (const ship of this.#world.update(key, data)) {
      if (ship.id === this.#ship) this.prediction.correct(ship, data.t);
    }
  }

  #isFar({ x, y }) {
    const { width, height } = viewOf(this.#canvas);
    return !cellsAround(this.#place.x, this.#place.y, width, height)
      .isSupersetOf(cellsAround(x, y, 1, 1));
  }

  /** Follows the view with the interest: what comes near is asked for, what is left behind is not. */
  #look() {
    if (!this.#subscription) return;
    const { width, height } = viewOf(this.#canvas);
    const { x, y } = this.#place;
    const wanted = cellsAround(x, y, width + MARGIN, height + MARGIN).add(`@${this.#ship}`);
    const add = [...wanted.difference(this.#keys)];
    const remove = [...this.#keys.difference(wanted)];
    if (add.length + remove.length === 0) return;
    this.#keys = wanted;
    for (const key of remove) this.#world.forget(key);
    this.#subscription.track(add, remove);
  }
}

function transportsOf(chosen) {
  return Object.hasOwn(NAMES, chosen) ? [chosen] : Object.keys(NAMES);
}
