import { CommandError, ErrorCode } from "../mod.ts";
import type { RpcHandler, ServerOptions, SlipstreamServer } from "../mod.ts";
import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { Market } from "./market.ts";
import { ACTIONS_PER_STEP, STEPS_PER_SECOND } from "./market_pace.ts";
import { Pulse } from "./pulse.ts";
import { answer, readObject, refused } from "./rpc_data.ts";

/**
 * Runs the market in the server's process, or leaves it to a feed from outside.
 *
 * - `quotes:1` (`latest`): the newest quote, one key a symbol. `book:1` (`latest`): the order book,
 *   one key a symbol.
 * - `trades:1` (`ordered`): every trade. `orders:<account>` (`ordered`): what happened to an
 *   account's orders. The name of an account is its secret: long, and made by chance.
 * - `market.place` and `market.cancel` take orders; `market.lag` tells a session how far the server
 *   has conflated for it.
 */
export class MarketHost {
  readonly namespaces: NonNullable<ServerOptions["namespaces"]>;
  readonly rpc: Readonly<Record<string, RpcHandler>> = {
    "market.symbols": () => answer({ symbols: this.#market?.symbols ?? [] }),
    "market.place": (data) => answer({ id: this.#place(readObject(data)) }),
    "market.cancel": (data) => {
      const { account, id } = readObject(data);
      return answer({ cancelled: this.#open.cancel(String(account), Number(id)) });
    },
    "market.lag": (_data, { conflated, dropped, queuedBytes }) =>
      answer({ conflated, dropped, queuedBytes }),
  };
  readonly #market: Market | undefined;
  readonly #pulse: Pulse;
  #server: SlipstreamServer | undefined;

  /** @param fed Whether clients may publish quotes, books and trades, and no market runs here. */
  constructor(clock: Clock, random: Random, fed = false) {
    this.#market = fed ? undefined : new Market(random);
    this.#pulse = new Pulse(clock, STEPS_PER_SECOND, () => this.#step());
    // A market rests while nobody is there, for however long.
    const permissions = { subscribe: true, history: true, publish: fed };
    const latest = { delivery: "latest", permissions, keyTtlMs: DAY_MS } as const;
    this.namespaces = {
      quotes: latest,
      book: latest,
      trades: { permissions },
      orders: {
        permissions: { subscribe: true, history: true },
        historySize: 500,
        historyTtlMs: DAY_MS,
      },
    };
  }

  start(server: SlipstreamServer): void {
    this.#server = server;
    if (this.#market === undefined) return;
    this.#publish(0);
    this.#pulse.start();
  }

  stop(): void {
    this.#pulse.stop();
  }

  get #open(): Market {
    if (this.#market !== undefined) return this.#market;
    throw new CommandError(
      ErrorCode.UNAVAILABLE,
      "This market takes no orders: it is fed by another process",
    );
  }

  #step(): void {
    if (this.#server!.sessions.count > 0) this.#publish(ACTIONS_PER_STEP);
  }

  #publish(actions: number): void {
    const { quotes, depths, trades, events } = this.#market!.step(actions);
    for (const [key, quote] of quotes) this.#say("quotes:1", quote, key);
    for (const [key, depth] of depths) this.#say("book:1", depth, key);
    for (const trade of trades) this.#say("trades:1", trade);
    for (const { account, event } of events) this.#say(`orders:${account}`, event);
  }

  #say(channel: string, data: unknown, key?: string): void {
    // The memory of this process keeps everything that fits its own namespaces.
    this.#server!.publish(channel, data, key === undefined ? {} : { key }).catch(() => {});
  }

  #place({ account, symbol, side, quantity, limit }: Record<string, unknown>): number {
    if (typeof account !== "string" || !/^[\w-]{16,64}$/.test(account)) {
      throw refused("An account is 16 to 64 letters, digits, _ and -");
    }
    if (side !== "buy" && side !== "sell") throw refused(`An order buys or sells: ${side}`);
    if (!isWhole(quantity, 100_000)) throw refused(`A quantity is from 1 to 100000: ${quantity}`);
    if (limit !== undefined && !isWhole(limit, 10_000_000)) {
      throw refused(`A limit is from 1 to 10000000 cents: ${limit}`);
    }
    const placed = this.#open.place({
      account,
      symbol: String(symbol),
      side,
      quantity,
      ...(limit !== undefined && { limit }),
    });
    if (typeof placed === "string") throw refused(placed);
    return placed;
  }
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
}

const DAY_MS = 86_400_000;
