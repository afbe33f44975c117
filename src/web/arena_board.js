/** The scoreboard and the news: every join, kill and score, in order, from an `ordered` channel. */

const SHOWN = 8;
const NEWS = 4;

export class Board {
  /** Who flies, by number: `{ id, name, hue, score }`. */
  ships = new Map();
  #list;
  #news;
  #own;
  #changed = true;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} news
   * @param {() => number} own The number of the own ship.
   */
  constructor(list, news, own) {
    this.#list = list;
    this.#news = news;
    this.#own = own;
  }

  /** Takes how all stand at this moment. */
  reset(standings) {
    this.ships = new Map(standings.map((standing) => [standing.id, standing]));
    this.#changed = true;
  }

  /** Takes what happened, in order. */
  take(events) {
    for (const event of events) this.#take(event);
    this.#changed = true;
  }

  /** Shows the best and the own ship; cheap where nothing has changed. */
  show() {
    if (!this.#changed) return;
    this.#changed = false;
    const own = this.#own();
    const ranked = [...this.ships.values()].sort((one, other) => other.score - one.score);
    const ownRank = ranked.findIndex(({ id }) => id === own);
    const rows = ranked.slice(0, SHOWN).map((ship, at) => row(ship, at + 1, ship.id === own));
    if (ownRank >= SHOWN) rows[SHOWN - 1] = row(ranked[ownRank], ownRank + 1, true);
    this.#list.replaceChildren(...rows);
  }

  #take({ type, id, by, score, name, hue }) {
    const ship = this.ships.get(id);
    if (type === "join") {
      this.ships.set(id, { id, name, hue, score });
      this.#tell(id, `${name} joins`);
    } else if (type === "leave") {
      this.ships.delete(id);
      if (ship) this.#tell(id, `${ship.name} leaves`);
    } else if (type === "score" && ship) ship.score = score;
    else if (type === "kill") {
      const killer = this.ships.get(by);
      if (ship && killer) this.#tell(id, `${killer.name} shot ${ship.name}`, by);
    }
  }

  #tell(id, text, by = id) {
    const own = this.#own();
    const item = document.createElement("li");
    item.textContent = text;
    if (id === own || by === own) item.className = "own";
    this.#news.prepend(item);
    while (this.#news.children.length > NEWS) this.#news.lastChild.remove();
  }
}

function row({ name, hue, score }, rank, isOwn) {
  const item = document.createElement("li");
  item.style.setProperty("--hue", Number(hue) || 0);
  item.value = rank;
  if (isOwn) item.className = "own";
  const label = document.createElement("span");
  label.textContent = isOwn ? `${name} (you)` : name;
  const points = document.createElement("b");
  points.textContent = score;
  item.append(label, points);
  return item;
}
