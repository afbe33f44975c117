/** Which way an order goes. */
export type Side = "buy" | "sell";

/** An order, resting or on its way. Prices are whole cents. */
export interface Order {
  readonly id: number;
  /** Whose it is; `undefined` for one of the house. */
  readonly account: string | undefined;
  readonly side: Side;
  readonly price: number;
  readonly quantity: number;
  /** What is not filled yet. */
  left: number;
}

/** A resting order met one that came. */
export interface Fill {
  readonly resting: Order;
  readonly taker: Order;
  readonly price: number;
  readonly quantity: number;
}

/** The order book of one symbol: the best price first, at one price the oldest order first. */
export class OrderBook {
  /** Sorted by precedence: what is matched first is first. */
  readonly #buy: Order[] = [];
  readonly #sell: Order[] = [];

  /** The best price to sell at; `undefined` if nobody buys. */
  get bid(): number | undefined {
    return this.#buy[0]?.price;
  }

  /** The best price to buy at; `undefined` if nobody sells. */
  get ask(): number | undefined {
    return this.#sell[0]?.price;
  }

  /** How many orders rest. */
  get size(): number {
    return this.#buy.length + this.#sell.length;
  }

  orders(side: Side): readonly Order[] {
    return side === "buy" ? this.#buy : this.#sell;
  }

  /** Matches an order with those that rest at its price or better. What is left of it may rest. */
  match(taker: Order): Fill[] {
    const fills: Fill[] = [];
    const against = taker.side === "buy" ? this.#sell : this.#buy;
    while (taker.left > 0) {
      const resting = against[0];
      if (resting === undefined || !crosses(taker, resting.price)) break;
      const quantity = Math.min(taker.left, resting.left);
      taker.left -= quantity;
      resting.left -= quantity;
      if (resting.left === 0) against.shift();
      fills.push({ resting, taker, price: resting.price, quantity });
    }
    return fills;
  }

  /** Lets an order rest, behind those of its price. */
  rest(order: Order): void {
    const orders = order.side === "buy" ? this.#buy : this.#sell;
    const at = orders.findIndex(({ price }) =>
      order.side === "buy" ? price < order.price : price > order.price
    );
    orders.splice(at < 0 ? orders.length : at, 0, order);
  }

  /** Takes a resting order out; says whether it was there. */
  cancel(order: Order): boolean {
    const orders = order.side === "buy" ? this.#buy : this.#sell;
    const at = orders.indexOf(order);
    if (at >= 0) orders.splice(at, 1);
    return at >= 0;
  }

  /** The best `count` prices of a side with what is wanted there: `[price, quantity]`. */
  levels(side: Side, count: number): [price: number, quantity: number][] {
    const levels: [number, number][] = [];
    for (const { price, left } of this.orders(side)) {
      const last = levels.at(-1);
      if (last?.[0] === price) last[1] += left;
      else if (levels.length === count) break;
      else levels.push([price, left]);
    }
    return levels;
  }
}

function crosses({ side, price }: Order, resting: number): boolean {
  return side === "buy" ? resting <= price : resting >= price;
}
