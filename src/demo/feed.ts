/**
 * Feeds the ticker of a running server from a process of its own, through the SDK: the market runs
 * here, and what it does is published as any client's publications are.
 *
 * Run by `deno task feed [--url http://localhost:8080] [--seed 1]`; the server must let clients feed
 * it (`deno task start --fed --allow-missing-origin`).
 *
 * @module
 */
import { parseArgs } from "node:util";
import { connect } from "../client/mod.ts";
import { systemClock } from "../policy/clock.ts";
import { seededRandom } from "../policy/random.ts";
import { Market, type MarketStep } from "./market.ts";
import { ACTIONS_PER_STEP, STEPS_PER_SECOND } from "./market_pace.ts";
import { Pulse } from "./pulse.ts";

/** A feed that runs. */
export interface Feed {
  /** Ends the market and its client. */
  readonly stop: () => void;
  /** Resolves when the client is closed. */
  readonly stopped: Promise<unknown>;
}

/** Starts a market and publishes all that it does; resolves once the server takes it. */
export async function startFeed(url: string, seed: number): Promise<Feed> {
  const client = connect(url);
  const market = new Market(seededRandom(seed));
  const trades = client.channel("trades:1");
  const quotes = client.channel("quotes:1");
  const books = client.channel("book:1");
  const publish = (step: MarketStep): Promise<unknown>[] => [
    ...[...step.quotes].map(([key, quote]) => quotes.publish(quote, { key })),
    ...[...step.depths].map(([key, depth]) => books.publish(depth, { key })),
    ...step.trades.map((trade) => trades.publish(trade)),
  ];
  await client.ready;
  // Acknowledged, so that a server that takes no feed says so.
  const [first] = market.symbols;
  const opening = market.step(0);
  try {
    await quotes.publish(opening.quotes.get(first!), { key: first!, acknowledge: true });
  } catch (error) {
    client.close();
    await client.closed;
    throw error;
  }
  await Promise.all(publish(opening));
  const pulse = new Pulse(systemClock, STEPS_PER_SECOND, () => {
    for (const published of publish(market.step(ACTIONS_PER_STEP))) {
      // While the server is away a feed has no past to make up: the next quote says all.
      published.catch(() => {});
    }
  });
  pulse.start();
  return {
    stopped: client.closed,
    stop() {
      pulse.stop();
      client.close();
    },
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      url: { type: "string", default: "http://localhost:8080" },
      seed: { type: "string", default: "1" },
    },
  });
  const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  try {
    await startFeed(values.url, Number(values.seed));
    say(`Feeding ${values.url}/ticker`);
  } catch (error) {
    say(`The server takes no feed: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
