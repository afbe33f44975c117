import type * as Sdk from "../../src/client/mod.ts";

/** What a client has seen of a server that publishes numbers (`migration_server.ts`). */
export interface Seen {
  /** Every `transport` that was told. */
  readonly transports: (string | null)[];
  /** Every `state` that was told. */
  readonly states: string[];
  /** The newest number of the `ordered` channel. */
  readonly newest: number;
  /** The newest number of the `latest` channel, whatever its key. */
  readonly newestLatest: number;
  /** Numbers that were missed, repeated or out of order; gaps; keys that went backwards. */
  readonly problems: string[];
}

/** Connects and watches; the page of a browser runs it too, so it uses nothing from outside. */
export function watchNumbers(connect: typeof Sdk.connect, url: string): () => Seen {
  const seen = {
    transports: [] as (string | null)[],
    states: [] as string[],
    newest: 0,
    newestLatest: 0,
    problems: [] as string[],
  };
  const client = connect(url, { upgradeAfterMs: 2000 });
  client.on("transport", (transport) => seen.transports.push(transport ?? null));
  client.on("state", (state) => seen.states.push(state));
  client.channel<number>("ordered:numbers").subscribe({
    onPublication({ data }) {
      if (seen.newest > 0 && data !== seen.newest + 1) {
        seen.problems.push(`${data} after ${seen.newest}`);
      }
      seen.newest = data;
    },
    onGap: ({ missed }) => seen.problems.push(`a gap of ${missed}`),
  });
  const keys = new Map<string, number>();
  client.channel<number>("latest:numbers").subscribe({
    onPublication({ key, data }) {
      const held = keys.get(key!) ?? 0;
      if (data <= held) seen.problems.push(`${key} went from ${held} to ${data}`);
      keys.set(key!, data);
      seen.newestLatest = Math.max(seen.newestLatest, data);
    },
    onGap: () => seen.problems.push("a gap in latest"),
  });
  return () => seen;
}
