/** The tape: every trade of the market, in order; the newest are shown. */
import { part, priceText } from "./ticker_format.js";

const SHOWN = 14;

export class Tape {
  #list;
  #trades = [];
  #changed = false;
  /** Trades that were missed, by their numbers. */
  missed = 0;
  #number;

  constructor(list) {
    this.#list = list;
  }

  take(trade) {
    if (this.#number !== undefined && trade.n > this.#number + 1) {
      this.missed += trade.n - this.#number - 1;
    }
    this.#number = trade.n;
    this.#trades.unshift(trade);
    if (this.#trades.length > SHOWN) this.#trades.pop();
    this.#changed = true;
  }

  draw() {
    if (!this.#changed) return;
    this.#changed = false;
    this.#list.replaceChildren(...this.#trades.map(({ n, symbol, price, quantity, side }) => {
      const item = part("li", side, "");
      item.append(
        part("small", "", `#${n}`),
        part("b", "", symbol),
        part("span", "number", quantity),
        part("span", "number price", priceText(price)),
      );
      return item;
    }));
  }
}
