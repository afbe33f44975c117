import type { Random } from "../policy/random.ts";
import { type Fill, type Order, OrderBook, type Side } from "./order_book.ts";

/** The newest quote of a symbol. Prices are whole cents. */
export interface Quote {
  /** The last price that was traded. */
  readonly price: number;
  readonly bid: number | undefined;
  readonly ask: number | undefined;
  /** The price at the start. */
  readonly open: number;
  /** Which quote of the symbol it is, counted from 1: who sees a hole knows what was conflated. */
  readonly n: number;
}

/** A trade, as the tape shows it. */
export interface Trade {
  /** Counted from 1 over the whole market. */
  readonly n: number;
  readonly symbol: string;
  readonly price: number;
  readonly quantity: number;
  /** Which way the order went that came. */
  readonly side: Side;
}

/** The ten best prices of each side: `[price, quantity]`. */
export interface Depth {
  readonly bids: readonly (readonly [price: number, quantity: number])[];
  readonly asks: readonly (readonly [price: number, quantity: number])[];
}

/** What happened to an order of an account. */
export interface OrderEvent {
  /** Counted from 1 for each account: a hole would be an event that was lost. */
  readonly seq: number;
  readonly kind: "accepted" | "filled" | "cancelled";
  readonly id: number;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: number;
  readonly left: number;
  /** At which it was filled; else the order's limit, `undefined` for an order without one. */
  readonly price: number | undefined;
}

/** What one step of the market changed. */
export interface MarketStep {
  readonly quotes: ReadonlyMap<string, Quote>;
  readonly depths: ReadonlyMap<string, Depth>;
  readonly trades: readonly Trade[];
  readonly events: readonly { readonly account: string; readonly event: OrderEvent }[];
}

/** An order that a client places. */
export interface OrderRequest {
  readonly account: string;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: number;
  /** In whole cents; without it the order takes what there is. */
  readonly limit?: number;
}

interface Listing {
  readonly symbol: string;
  readonly book: OrderBook;
  readonly open: number;
  /** What the house thinks it is worth, in cents: a random walk. */
  worth: number;
  last: number;
  quotes: number;
}

interface Account {
  seq: number;
  readonly resting: Map<number, { readonly order: Order; readonly listing: Listing }>;
}

/**
 * A market of made-up symbols: what each is worth walks at random, and orders of the house follow
 * it. Everything goes through real order books, so that clients' orders meet the house's. Pure:
 * `step()` is its time, and one seed makes one history.
 */
export class Market {
  readonly #random: Random;
  readonly #listings = new Map<string, Listing>();
  readonly #list: Listing[] = [];
  readonly #accounts = new Map<string, Account>();
  readonly #changed = new Set<Listing>();
  #trades: Trade[] = [];
  #events: { account: string; event: OrderEvent }[] = [];
  #nextOrder = 1;
  #tradeCount = 0;

  constructor(random: Random, symbols = 300) {
    this.#random = random;
    while (this.#list.length < symbols) this.#listSymbol();
  }

  get symbols(): readonly string[] {
    return this.#list.map(({ symbol }) => symbol);
  }

  /** Lets the house act on `actions` symbols, and returns all that changed since the last step. */
  step(actions: number): MarketStep {
    for (let i = 0; i < actions; i++) {
      // Squared, so that some symbols are busier than others.
      const at = Math.floor(this.#random() ** 2 * this.#list.length);
      this.#act(this.#list[at]!);
    }
    return this.#take();
  }

  /**
   * Places an order; what happens to it is part of the next step, and so is that it was accepted.
   *
   * @returns Its number, or why it is refused.
   */
  place(request: OrderRequest): number | string {
    const { symbol, side, quantity, limit } = request;
    const listing = this.#listings.get(symbol);
    if (listing === undefined) return `There is no such symbol: "${symbol}"`;
    const account = this.#account(request.account);
    if (account === undefined) return `There are too many accounts: ${MAX_ACCOUNTS}`;
    if (account.resting.size >= MAX_RESTING) return `Too many orders rest: ${MAX_RESTING}`;
    const price = limit ?? (side === "buy" ? Infinity : 0);
    const order = this.#order(request.account, side, price, quantity);
    this.#tell(account, "accepted", order, listing, limit);
    this.#execute(listing, order);
    if (order.left === 0) return order.id;
    if (limit === undefined) {
      this.#tell(account, "cancelled", order, listing, undefined);
    } else {
      listing.book.rest(order);
      account.resting.set(order.id, { order, listing });
    }
    return order.id;
  }

  /** Cancels an order of an account that rests; says whether there was one. */
  cancel(name: string, id: number): boolean {
    const account = this.#accounts.get(name);
    const found = account?.resting.get(id);
    if (account === undefined || found === undefined) return false;
    const { order, listing } = found;
    account.resting.delete(id);
    listing.book.cancel(order);
    this.#changed.add(listing);
    this.#tell(account, "cancelled", order, listing, order.price);
    return true;
  }

  #listSymbol(): void {
    const letters = Array.from(
      { length: 4 },
      (_, at) => this.#pick(at % 2 === 0 ? "BCDFGKLMNPRSTVXZ" : "AEIOUY"),
    );
    const symbol = letters.join("");
    if (this.#listings.has(symbol)) return;
    // Spread evenly over the orders of magnitude from 5 to 500.
    const open = Math.round(500 * 100 ** this.#random());
    const listing = {
      symbol,
      book: new OrderBook(),
      open,
      worth: open,
      last: open,
      quotes: 0,
    };
    this.#listings.set(symbol, listing);
    this.#list.push(listing);
    this.#changed.add(listing);
    for (let level = 1; level <= LEVELS; level++) {
      for (const side of ["buy", "sell"] as const) this.#quote(listing, side, level);
    }
  }

  /** The house does one thing. */
  #act(listing: Listing): void {
    const { book } = listing;
    const drift = (this.#random() + this.#random() - 1) * VOLATILITY;
    // Pulled back a little, so that a server that runs for weeks has prices still.
    const pull = Math.log(listing.open / listing.worth) * 0.0002;
    listing.worth *= Math.exp(drift + pull);
    this.#withdraw(listing);
    const side = this.#random() < 0.5 ? "buy" : "sell";
    const chance = this.#random();
    if (chance < 0.22) {
      const price = side === "buy" ? book.ask : book.bid;
      if (price === undefined) return;
      const order = this.#order(undefined, side, price, this.#size());
      this.#execute(listing, order);
    } else {
      this.#quote(listing, side, 1 + Math.floor(this.#random() * LEVELS));
    }
  }

  /** The house places a limit order `level` ticks from what the symbol is worth. */
  #quote(listing: Listing, side: Side, level: number): void {
    const tick = tickOf(listing.open);
    const away = side === "buy" ? -level : level;
    const price = Math.max(tick, Math.round(listing.worth / tick + away) * tick);
    const order = this.#order(undefined, side, price, this.#size());
    this.#execute(listing, order);
    if (order.left > 0) listing.book.rest(order);
    this.#changed.add(listing);
  }

  /** The house cancels what is far from the worth, and one of too many. */
  #withdraw(listing: Listing): void {
    const { book } = listing;
    const reach = tickOf(listing.open) * LEVELS * 1.5;
    for (const side of ["buy", "sell"] as const) {
      const orders = book.orders(side);
      const ofHouse = orders.filter(({ account }) => account === undefined);
      for (const order of ofHouse) {
        if (Math.abs(order.price - listing.worth) > reach) book.cancel(order);
      }
      if (ofHouse.length <= MAX_HOUSE_ORDERS) continue;
      book.cancel(ofHouse[Math.floor(this.#random() * ofHouse.length)]!);
    }
  }

  #execute(listing: Listing, order: Order): void {
    for (const fill of listing.book.match(order)) {
      listing.last = fill.price;
      this.#trades.push({
        n: ++this.#tradeCount,
        symbol: listing.symbol,
        price: fill.price,
        quantity: fill.quantity,
        side: order.side,
      });
      this.#tellFilled(fill.resting, fill, listing);
      this.#tellFilled(fill.taker, fill, listing);
    }
    this.#changed.add(listing);
  }

  #tellFilled(order: Order, { price, quantity }: Fill, listing: Listing): void {
    const account = order.account === undefined ? undefined : this.#accounts.get(order.account);
    if (account === undefined) return;
    if (order.left === 0) account.resting.delete(order.id);
    this.#tell(account, "filled", { ...order, quantity }, listing, price);
  }

  #tell(
    account: Account,
    kind: OrderEvent["kind"],
    { id, account: name, side, quantity, left }: Order,
    { symbol }: Listing,
    price: number | undefined,
  ): void {
    const event = { seq: ++account.seq, kind, id, symbol, side, quantity, left, price };
    this.#events.push({ account: name!, event });
  }

  #account(name: string): Account | undefined {
    const present = this.#accounts.get(name);
    if (present !== undefined) return present;
    if (this.#accounts.size >= MAX_ACCOUNTS) {
      // The one that came first, of those without an order.
      for (const [other, { resting }] of this.#accounts) {
        if (resting.size > 0) continue;
        this.#accounts.delete(other);
        break;
      }
      if (this.#accounts.size >= MAX_ACCOUNTS) return undefined;
    }
    const account: Account = { seq: 0, resting: new Map() };
    this.#accounts.set(name, account);
    return account;
  }

  #order(account: string | undefined, side: Side, price: number, quantity: number): Order {
    return { id: this.#nextOrder++, account, side, price, quantity, left: quantity };
  }

  #take(): MarketStep {
    const quotes = new Map<string, Quote>();
    const depths = new Map<string, Depth>();
    for (const listing of this.#changed) {
      const { symbol, book, last, open } = listing;
      quotes.set(symbol, { price: last, bid: book.bid, ask: book.ask, open, n: ++listing.quotes });
      depths.set(symbol, { bids: book.levels("buy", 10), asks: book.levels("sell", 10) });
    }
    this.#changed.clear();
    const [trades, events] = [this.#trades, this.#events];
    this.#trades = [];
    this.#events = [];
    return { quotes, depths, trades, events };
  }

  #size(): number {
    return Math.ceil(this.#random() ** 2 * 40) * 5;
  }

  #pick(letters: string): string {
    return letters[Math.floor(this.#random() * letters.length)]!;
  }
}

/** The smallest step of a price, in cents: about a fifth of a thousandth. */
function tickOf(price: number): number {
  return Math.max(1, Math.round(price / 5000));
}

/** How much a worth moves in one action: three ticks at most. */
const VOLATILITY = 0.0006;
const LEVELS = 10;
/** On each side, about: enough for ten full levels. */
const MAX_HOUSE_ORDERS = 24;
/** A demonstration's worth of visitors; beyond it those without orders are forgotten. */
const MAX_ACCOUNTS = 5000;
/** More than anybody places by hand. */
const MAX_RESTING = 200;
