/**
 * Hundreds of symbols, of which those in view are asked for: `quotes:1` has one key a symbol, and the
 * subscription tracks the visible rows. Quotes are drawn once a frame, the newest of each row.
 */
import { changeText, part, priceText } from "./ticker_format.js";

export class Watchlist {
  #list;
  #rows = new Map();
  #quotes = new Map();
  #dirty = new Set();
  #visible = new Set();
  #selected = "";
  #onSelect;
  #onView;
  #observer;
  /**
   * @param {HTMLElement} list
   * @param {{ onSelect: (symbol: string) => void,
   *   onView: (add: string[], remove: string[]) => void }} listeners
   */
  constructor(list, { onSelect, onView }) {
    this.#list = list;
    this.#onSelect = onSelect;
    this.#onView = onView;
    // A row is asked for a little before it comes into view.
    const options = { root: list, rootMargin: "80px 0px" };
    this.#observer = new IntersectionObserver((entries) => this.#look(entries), options);
    list.addEventListener("click", ({ target }) => {
      const row = target.closest("[data-symbol]");
      if (row) this.select(row.dataset.symbol);
    });
    list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  get symbols() {
    return [...this.#rows.keys()];
  }

  /** The symbols in view. */
  get visible() {
    return this.#visible;
  }

  /** Makes the rows of these symbols, and chooses the first. */
  open(symbols) {
    for (const symbol of symbols) this.#addRow(symbol);
    if (symbols.length > 0) this.select(symbols[0]);
  }

  select(symbol) {
    const before = this.#rows.get(this.#selected)?.row;
    before?.setAttribute("aria-selected", "false");
    this.#selected = symbol;
    const { row } = this.#rows.get(symbol);
    row.setAttribute("aria-selected", "true");
    this.#list.setAttribute("aria-activedescendant", row.id);
    this.#onSelect(symbol);
  }

  /** Takes the newest quote of a symbol. */
  take(symbol, quote) {
    this.#quotes.set(symbol, quote);
    this.#dirty.add(symbol);
  }

  quote(symbol) {
    return this.#quotes.get(symbol);
  }

  /** Draws what has changed. */
  draw() {
    for (const symbol of this.#dirty) {
      const quote = this.#quotes.get(symbol);
      const { row, last, change, shown } = this.#rows.get(symbol);
      last.textContent = priceText(quote.price);
      change.textContent = changeText(quote);
      change.dataset.way = quote.price >= quote.open ? "up" : "down";
      if (shown !== undefined && shown !== quote.price) flash(row, quote.price > shown);
      this.#rows.get(symbol).shown = quote.price;
    }
    this.#dirty.clear();
  }

  #addRow(symbol) {
    const row = part("div", "row", "");
    row.dataset.symbol = symbol;
    row.id = `row-${symbol}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    const last = part("span", "number", "–");
    const change = part("span", "number change", "–");
    row.append(part("b", "", symbol), last, change);
    this.#rows.set(symbol, { row, last, change, shown: undefined });
    this.#list.append(row);
    this.#observer.observe(row);
  }

  #look(entries) {
    const add = [];
    const remove = [];
    for (const { target, isIntersecting } of entries) {
      const { symbol } = target.dataset;
      if (isIntersecting === this.#visible.has(symbol)) continue;
      if (isIntersecting) this.#visible.add(symbol);
      else this.#visible.delete(symbol);
      (isIntersecting ? add : remove).push(symbol);
    }
    if (add.length + remove.length > 0) this.#onView(add, remove);
  }

  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const symbols = this.symbols;
    const next = symbols[symbols.indexOf(this.#selected) + step];
    if (!next) return;
    this.select(next);
    this.#rows.get(next).row.scrollIntoView({ block: "nearest" });
  }
}

function flash(row, up) {
  row.animate(
    [{ backgroundColor: `var(--${up ? "good" : "bad"}-flash)` }, {
      backgroundColor: "transparent",
    }],
    { duration: 500 },
  );
}
