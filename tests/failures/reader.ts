import type { Client, TransportKind } from "../../src/client/mod.ts";
import { type Entry, ReaderLog, ValuesLog } from "./ledger.ts";

/** The `ordered` channels: one with a long history, one with 8 publications. */
export const ORDERED = ["long:a", "short:a"] as const;
/** The `latest` channel. */
export const VALUES = "values:a";

/** A client that is subscribed to every channel. */
export class Reader {
  readonly node: number;
  readonly kind: TransportKind;
  readonly client: Client;
  readonly ordered = new Map(ORDERED.map((channel) => [channel as string, new ReaderLog()]));
  readonly values = new ValuesLog();
  readonly trouble: string[] = [];
  session: string | undefined;

  constructor(node: number, kind: TransportKind, client: Client) {
    this.node = node;
    this.kind = kind;
    this.client = client;
    client.on("error", (error) => this.trouble.push(`${error}`));
  }

  async ready(): Promise<void> {
    const all = [...this.ordered].map(([channel, log]) =>
      this.client.channel<Entry>(channel).subscribe({
        onPublication: (publication) => log.publication(publication),
        onGap: ({ position }) => log.gap(position.offset),
      }).ready
    );
    const values = this.client.channel<Entry>(VALUES).subscribe({
      onPublication: (publication) => this.values.publication(publication),
      onGap: () => this.values.gap(),
    });
    await Promise.all([...all, values.ready]);
    this.session = this.client.session;
  }

  has(channel: string, writer: number, number: number): boolean {
    return (this.ordered.get(channel) ?? this.values).has(writer, number);
  }
}
