/** How clients came back after a loss, second by second since it. */
export class Curve {
  readonly name: string;
  readonly clients: number;
  /** Attempts that reached the server's address, by the second. */
  readonly arrivals: number[] = [];
  /** Clients let in, by the second. */
  readonly admitted: number[] = [];
  /** The longest that the accept queue was, in attempts, by the second; empty if unknown. */
  readonly queue: number[] = [];
  /** When the accept queue last was full, in milliseconds since the loss; 0 if it never was. */
  fullUntilMs = 0;
  /** Answers that told a client to come back later. */
  refused = 0;
  /** Attempts that found nobody, or no room in the accept queue. */
  lost = 0;
  /** When each share of the clients was back, in milliseconds; absent if it never was. */
  readonly #backMs: number[] = [];

  constructor(name: string, clients: number) {
    this.name = name;
    this.clients = clients;
  }

  /** How many clients are back. */
  get back(): number {
    return this.#backMs.length;
  }

  /** Notes `count` attempts at `ms` since the loss. */
  arrived(ms: number, count = 1): void {
    add(this.arrivals, ms, count);
  }

  /** Notes that `count` clients are back at `ms`, which must not go backwards. */
  cameBack(ms: number, count = 1): void {
    add(this.admitted, ms, count);
    for (let i = 0; i < count; i++) this.#backMs.push(ms);
  }

  queued(ms: number, length: number): void {
    const second = Math.floor(ms / 1000);
    while (this.queue.length <= second) this.queue.push(0);
    this.queue[second] = Math.max(this.queue[second]!, length);
  }

  get figures(): Figures {
    return {
      peakArrivals: Math.max(0, ...this.arrivals),
      peakAdmitted: Math.max(0, ...this.admitted),
      peakQueue: this.queue.length === 0 ? undefined : Math.max(...this.queue),
      fullUntilMs: this.fullUntilMs,
      attempts: this.arrivals.reduce((sum, count) => sum + count, 0),
      refused: this.refused,
      lost: this.lost,
      halfBackMs: this.#whenBack(0.5),
      mostBackMs: this.#whenBack(0.99),
      allBackMs: this.#whenBack(1),
    };
  }

  #whenBack(share: number): number | undefined {
    return this.#backMs[Math.ceil(this.clients * share) - 1];
  }
}

/** What a {@linkcode Curve} comes to; times in milliseconds since the loss. */
export interface Figures {
  /** The most attempts in one second. */
  readonly peakArrivals: number;
  /** The most clients let in in one second. */
  readonly peakAdmitted: number;
  readonly peakQueue: number | undefined;
  readonly fullUntilMs: number;
  readonly attempts: number;
  readonly refused: number;
  readonly lost: number;
  readonly halfBackMs: number | undefined;
  readonly mostBackMs: number | undefined;
  readonly allBackMs: number | undefined;
}

function add(seconds: number[], ms: number, count: number): void {
  const second = Math.floor(ms / 1000);
  while (seconds.length <= second) seconds.push(0);
  seconds[second]! += count;
}
