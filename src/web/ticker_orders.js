/**
 * The own orders. What becomes of them comes by the account's own `ordered` channel, numbered: the
 * history first, then what happens; both may bring one.
 */
import { part, priceText } from "./ticker_format.js";

const SHOWN = 40;

export class Orders {
  /** Events that were seen, and numbers that never came. */
  events = 0;
  lost = 0;
  #seq;
  #orders = new Map();
  #list;
  #cancel;
  #changed = false;

  /**
   * @param {HTMLElement} list
   * @param {(id: number) => void} cancel
   */
  constructor(list, cancel) {
    this.#list = list;
    this.#cancel = cancel;
  }

  take({ seq, kind, id, symbol, side, quantity, left, price }) {
    if (this.#seq !== undefined) {
      if (seq <= this.#seq) return;
      this.lost += seq - this.#seq - 1;
    }
    this.#seq = seq;
    this.events++;
    this.#changed = true;
    const order = this.#orders.get(id) ?? { id, symbol, side, quantity, filled: 0, cost: 0 };
    if (kind === "accepted") order.limit = price;
    if (kind === "filled") {
      order.filled += quantity;
      order.cost += quantity * price;
    }
    order.open = kind !== "cancelled" && left > 0;
    this.#orders.set(id, order);
    if (this.#orders.size > SHOWN) this.#orders.delete(this.#orders.keys().next().value);
  }

  draw() {
    if (!this.#changed) return;
    this.#changed = false;
    this.#list.replaceChildren(
      ...[...this.#orders.values()].reverse().map((order) => this.#row(order)),
    );
  }

  #row({ id, symbol, side, quantity, limit, filled, cost, open }) {
    const item = part("li", side, "");
    const state = open
      ? (filled > 0 ? "partly filled" : "open")
      : filled === quantity
      ? "filled"
      : "cancelled";
    const paid = filled > 0 ? ` at ${priceText(cost / filled)}` : "";
    item.append(
      part("b", "", `${side === "buy" ? "Buy" : "Sell"} ${quantity} ${symbol}`),
      part("span", "", limit === undefined ? "at market" : `limit ${priceText(limit)}`),
      part("span", "state", `${state} ${filled}/${quantity}${paid}`),
    );
    if (open) {
      const cancel = part("button", "plain", "Cancel");
      cancel.type = "button";
      cancel.setAttribute("aria-label", `Cancel order ${id}`);
      cancel.addEventListener("click", () => this.#cancel(id));
      item.append(cancel);
    }
    return item;
  }
}
