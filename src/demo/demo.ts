import type { RpcHandler, ServerOptions, SlipstreamServer } from "../mod.ts";
import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { ArenaHost } from "./arena_host.ts";
import { MarketHost } from "./market_host.ts";

/** What the simulations need. */
export interface DemoOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Whether quotes, books and trades come from another process, as by `deno task feed`. */
  readonly fed?: boolean;
}

/** The simulations behind `/arena` and `/ticker`. No part of the library: `main.ts` starts them. */
export interface Demo {
  /** What `serve()` must be told for them. */
  readonly namespaces: NonNullable<ServerOptions["namespaces"]>;
  readonly rpc: Readonly<Record<string, RpcHandler>>;
  start(server: SlipstreamServer): Promise<void>;
  stop(): void;
}

export function createDemo({ clock, random, fed = false }: DemoOptions): Demo {
  const arena = new ArenaHost(clock, random);
  const market = new MarketHost(clock, random, fed);
  return {
    namespaces: { ...arena.namespaces, ...market.namespaces },
    rpc: { ...arena.rpc, ...market.rpc },
    async start(server) {
      await arena.start(server);
      market.start(server);
    },
    stop() {
      arena.stop();
      market.stop();
    },
  };
}
