import type { ServerInfo } from "../protocol/server_info.ts";
import { Avoided } from "./avoided.ts";
import { candidates, fallbacksOf } from "./candidates.ts";
import type { Environment } from "./environment.ts";
import { HttpError } from "./http_error.ts";
import type { Link } from "./link.ts";
import { Preference } from "./preference.ts";
import { type Fallback, race, RaceLostError } from "./race.ts";
import { Timer } from "./timer.ts";
import type { Target, TransportKind } from "./transports/transport.ts";

/** A link that is open, and why it is not over a better transport. */
export interface Opened {
  readonly link: Link;
  readonly fallbacks: readonly Fallback[];
}

/** What a link is opened for. */
export interface Purpose {
  /** A session and its ticket, if there is one to go on with. */
  readonly resume: string | undefined;
  /** The session has a link, and may move whatever has become of the path over which one asks. */
  readonly moving: boolean;
  /** Only a transport that is preferred to this one will do. */
  readonly better: TransportKind | undefined;
}

/** Opens links: asks the server what there is, and races the transports. */
export class Connector {
  /** The transports that may be used, best first. */
  wanted: readonly TransportKind[];
  /** Those that have stalled: they are tried last. */
  readonly avoided: Avoided;
  readonly #base: URL;
  readonly #settings: Pick<Target, "encoding" | "maxIncomingBytes">;
  readonly #environment: Environment;
  readonly #preference: Preference;
  /** What the server said last. */
  #info: ServerInfo | undefined;

  constructor(
    base: URL,
    wanted: readonly TransportKind[],
    upgradeAfterMs: number,
    settings: Pick<Target, "encoding" | "maxIncomingBytes">,
    environment: Environment,
  ) {
    const { storage, wallClockMs } = environment;
    this.#base = base;
    this.wanted = wanted;
    this.#settings = settings;
    this.#environment = environment;
    this.avoided = new Avoided(environment.clock, upgradeAfterMs);
    this.#preference = new Preference(base.origin, storage, wallClockMs);
  }

  /**
   * Opens a link over the best transport that works, or rejects saying how each failed. Aborting
   * `attempt` ends it, which a server that does not even say what there is does as well.
   */
  async open(
    makeLink: () => Link,
    attempt: AbortController,
    { resume, moving, better }: Purpose,
  ): Promise<Opened> {
    const { clock, transports } = this.#environment;
    const wanted = better === undefined ? this.avoided.sort(this.wanted) : this.betterThan(better);
    const info = await this.#serverInfo(attempt, resume, moving ? this.#info : undefined);
    const target = { base: this.#base, info, ...this.#settings };
    const { order, missing } = candidates(
      wanted,
      info,
      transports,
      better === undefined ? this.#recall() : undefined,
    );
    if (order.length === 0) throw new RaceLostError(missing, undefined);
    const { winner, failures } = await race({
      candidates: order,
      open: async (kind, signal) => {
        const link = makeLink();
        return link.attach(await transports[kind]!(target, link, signal));
      },
      abandon: (link) => link.abandon(),
      clock,
      signal: attempt.signal,
    });
    const known = [...missing, ...failures, ...this.avoided.reasons];
    return {
      link: winner,
      fallbacks: fallbacksOf(this.wanted, order, winner.transport.kind, known),
    };
  }

  /** The transports that are preferred to `kind`, and worth another try by now. */
  betterThan(kind: TransportKind): readonly TransportKind[] {
    const better = this.wanted.slice(0, Math.max(0, this.wanted.indexOf(kind)));
    return better.filter((each) =>
      this.#environment.transports[each] !== undefined && !this.avoided.has(each)
    );
  }

  /** Notes that a session runs over this kind of transport. */
  worked(kind: TransportKind): void {
    // One that was forced says nothing of the others.
    if (kind !== this.wanted[0]) this.#preference.remember(kind);
    else if (this.wanted.length > 1) this.#preference.forget();
  }

  /** What worked last, unless it has stalled since. */
  #recall(): TransportKind | undefined {
    const kind = this.#preference.recall();
    return kind !== undefined && this.avoided.has(kind) ? undefined : kind;
  }

  /** Asks the server; what is `known` does where only the path to ask by is broken. */
  async #serverInfo(
    attempt: AbortController,
    resume: string | undefined,
    known: ServerInfo | undefined,
  ): Promise<ServerInfo> {
    const { clock, fetchServerInfo } = this.#environment;
    const asking = new AbortController();
    const signal = AbortSignal.any([attempt.signal, asking.signal]);
    const timer = new Timer(clock);
    const timeoutMs = known === undefined ? INFO_TIMEOUT_MS : KNOWN_INFO_TIMEOUT_MS;
    timer.start(
      timeoutMs,
      () => asking.abort(new Error(`No answer from the server: ${timeoutMs / 1000} s`)),
    );
    try {
      return this.#info = await fetchServerInfo(this.#base, signal, resume);
    } catch (error) {
      // A server that refuses means it.
      if (known === undefined || error instanceof HttpError || attempt.signal.aborted) throw error;
      const { pass: _once, ...info } = known;
      return info;
    } finally {
      timer.stop();
    }
  }
}

/** A request and its small answer, on a path that loses several packets in a row. */
const INFO_TIMEOUT_MS = 10_000;

/** Where another transport may be open, as when TCP is cut and UDP is not: it must not wait long. */
const KNOWN_INFO_TIMEOUT_MS = 2000;
