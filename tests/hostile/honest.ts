import {
  type Client,
  connect,
  type Subscription,
  type TransportKind,
} from "../../src/client/mod.ts";
import type { Address } from "./server.ts";

const KINDS: readonly TransportKind[] = ["webtransport", "websocket", "sse"];
const PER_KIND = 2;
const INTERVAL_MS = 50;
const ORDERED = "chat:honest";
const LATEST = "pos:honest";
/** Where the attackers are, whom it hears as well. */
const ATTACKED = ["chat:lobby", "pos:1"];

interface Note {
  readonly from: number;
  readonly number: number;
  readonly sentMs: number;
}

/**
 * Sessions on every transport that publish to one another, in an `ordered` channel and in a
 * `latest` one, and write down what befalls them.
 */
export class HonestCompany {
  /** What should not have happened, in words. */
  readonly troubles: string[] = [];
  /** What the attackers have got through, to each. */
  heard = 0;
  /** How old publications of the `ordered` channel were when they came, in milliseconds. */
  agesMs: number[] = [];
  readonly #members: Member[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #publishing = new Set<Promise<void>>();
  /** By member, how many publications were acknowledged. */
  readonly #sent: number[] = [];

  /** Opens all sessions, subscribed to both channels. */
  static async open({ developmentPort }: Address): Promise<HonestCompany> {
    const company = new HonestCompany();
    for (const kind of KINDS) {
      for (let at = 0; at < PER_KIND; at++) {
        const index = company.#members.length;
        company.#sent.push(0);
        company.#members.push(new Member(company, kind, index, developmentPort));
      }
    }
    await Promise.all(company.#members.map((member) => member.ready));
    return company;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Has everybody publish from now on. */
  start(): void {
    this.#timer = setInterval(() => {
      for (const member of this.#members) {
        const number = this.#sent[member.index]!++;
        const published = member.publish(number).catch((error) => {
          this.troubles.push(`${member.name} could not publish: ${error.message}`);
        });
        this.#publishing.add(published);
        published.finally(() => this.#publishing.delete(published));
      }
    }, INTERVAL_MS);
  }

  /** Has everybody stop, waits for what is under way, and accounts for every publication. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#publishing);
    const endMs = performance.now() + 10_000;
    const expected = this.#sent.reduce((sum, count) => sum + count, 0);
    const complete = () =>
      this.#members.every((member) => member.received === expected && member.hasLast(this.#sent));
    while (!complete() && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const member of this.#members) {
      if (member.received !== expected) {
        this.troubles.push(`${member.name} got ${member.received} of ${expected} publications`);
      }
      if (!member.hasLast(this.#sent)) {
        this.troubles.push(`${member.name} has not the last value of each key`);
      }
    }
  }

  /** How many publications each member has been sent. */
  get published(): number {
    return this.#sent.reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const member of this.#members) member.close();
    await Promise.all(this.#members.map((member) => member.closed));
  }
}

class Member {
  readonly index: number;
  readonly name: string;
  readonly ready: Promise<unknown>;
  received = 0;
  readonly #company: HonestCompany;
  readonly #client: Client;
  readonly #next: number[] = [];
  readonly #values = new Map<string, number>();
  #leaving = false;

  constructor(company: HonestCompany, kind: TransportKind, index: number, port: number) {
    this.#company = company;
    this.index = index;
    this.name = `${kind} ${index}`;
    this.#client = connect(`http://localhost:${port}`, { transports: [kind] });
    this.#client.closed.catch(() => {});
    this.#client.on("transport", (transport) => {
      if (transport !== kind && !this.#leaving) this.#report("lost its transport");
    });
    this.#client.on("error", (error) => this.#report(`was told of ${error.message}`));
    this.#client.on("close", ({ code }) => {
      if (!this.#leaving) this.#report(`was closed with ${code}`);
    });
    const subscriptions: Subscription[] = [
      this.#client.channel<Note>(ORDERED).subscribe({
        onPublication: ({ data }) => this.#receive(data!),
        onGap: () => this.#report("was told of a gap"),
      }),
      this.#client.channel<number>(LATEST).subscribe({
        onPublication: ({ key, data }) => {
          if (data! < (this.#values.get(key!) ?? -1)) this.#report("got an older value");
          this.#values.set(key!, data!);
        },
      }),
    ];
    for (const name of ATTACKED) {
      // Read, for that is where what is no value would show; a gap is no wonder there.
      subscriptions.push(
        this.#client.channel(name).subscribe({
          onPublication: ({ data }) => this.#company.heard += data === undefined ? 0 : 1,
          onJoin: ({ info }) => this.#company.heard += info === undefined ? 0 : 1,
        }),
      );
    }
    this.ready = Promise.all(subscriptions.map((subscription) => subscription.ready));
  }

  get closed(): Promise<unknown> {
    return this.#client.closed.catch(() => {});
  }

  async publish(number: number): Promise<void> {
    const latest = this.#client.channel<number>(LATEST).publish(number, { key: `k${this.index}` });
    const note: Note = { from: this.index, number, sentMs: performance.now() };
    await Promise.all([latest, this.#client.channel<Note>(ORDERED).publish(note)]);
  }

  /** Whether the newest value of everybody's key is here. */
  hasLast(sent: readonly number[]): boolean {
    return sent.every((count, from) => this.#values.get(`k${from}`) === count - 1);
  }

  close(): void {
    this.#leaving = true;
    this.#client.close();
  }

  #receive({ from, number, sentMs }: Note): void {
    const next = this.#next[from] ?? 0;
    if (number !== next) this.#report(`got ${number} of ${from} where ${next} was due`);
    this.#next[from] = number + 1;
    this.received++;
    this.#company.agesMs.push(performance.now() - sentMs);
  }

  #report(what: string): void {
    this.#company.troubles.push(`${this.name} ${what}`);
  }
}
