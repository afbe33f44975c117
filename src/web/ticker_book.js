/** The order book of the chosen symbol: `book:1`, one key a symbol, the newest is all that counts. */
import { part, priceText } from "./ticker_format.js";

const LEVELS = 7;

export class Book {
  #asks;
  #bids;
  #spread;
  #depth;
  #changed = false;

  constructor(asks, bids, spread) {
    this.#asks = asks;
    this.#bids = bids;
    this.#spread = spread;
  }

  clear() {
    this.take({ asks: [], bids: [] });
  }

  take(depth) {
    this.#depth = depth;
    this.#changed = true;
  }

  draw() {
    if (!this.#changed) return;
    this.#changed = false;
    const asks = this.#depth.asks.slice(0, LEVELS);
    const bids = this.#depth.bids.slice(0, LEVELS);
    const most = Math.max(1, ...[...asks, ...bids].map(([, quantity]) => quantity));
    // The best offer stands next to the best bid.
    this.#asks.replaceChildren(...asks.reverse().map((level) => row(level, most)));
    this.#bids.replaceChildren(...bids.map((level) => row(level, most)));
    const [ask, bid] = [asks.at(-1)?.[0], bids[0]?.[0]];
    this.#spread.textContent = ask === undefined || bid === undefined
      ? "–"
      : `Spread ${priceText(ask - bid)}`;
  }
}

function row([price, quantity], most) {
  const item = part("li", "", "");
  item.style.setProperty("--part", quantity / most);
  item.append(part("span", "number", priceText(price)), part("span", "number", quantity));
  return item;
}
