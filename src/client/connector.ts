import type { ServerInfo } from "../protocol/server_info.ts";
import { candidates, fallbacksOf } from "./candidates.ts";
import type { Environment } from "./environment.ts";
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

/** Opens links: asks the server what there is, and races the transports. */
export class Connector {
  /** The transports that may be used, best first. */
  wanted: readonly TransportKind[];
  readonly #base: URL;
  readonly #settings: Pick<Target, "encoding" | "maxIncomingBytes">;
  readonly #environment: Environment;
  readonly #preference: Preference;

  constructor(
    base: URL,
    wanted: readonly TransportKind[],
    settings: Pick<Target, "encoding" | "maxIncomingBytes">,
    environment: Environment,
  ) {
    const { storage, wallClockMs } = environment;
    this.#base = base;
    this.wanted = wanted;
    this.#settings = settings;
    this.#environment = environment;
    this.#preference = new Preference(base.origin, storage, wallClockMs);
  }

  /**
   * Opens a link over the best transport that works, or rejects saying how each failed. Aborting
   * `attempt` ends it, which a server that does not even say what there is does as well. `resume`:
   * a session and its ticket, if there is one to go on with.
   */
  async open(makeLink: () => Link, attempt: AbortController, resume?: string): Promise<Opened> {
    const { clock, transports } = this.#environment;
    const { wanted } = this;
    const info = await this.#serverInfo(attempt, resume);
    const target = { base: this.#base, info, ...this.#settings };
    const { order, missing } = candidates(wanted, info, transports, this.#preference.recall());
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
    const known = [...missing, ...failures];
    return { link: winner, fallbacks: fallbacksOf(wanted, order, winner.transport.kind, known) };
  }

  /** Notes that a session runs over this kind of transport. */
  worked(kind: TransportKind): void {
    // The first choice goes first anyway, and one that was forced says nothing of the others.
    if (kind !== this.wanted[0]) this.#preference.remember(kind);
  }

  async #serverInfo(attempt: AbortController, resume?: string): Promise<ServerInfo> {
    const { clock, fetchServerInfo } = this.#environment;
    const timer = new Timer(clock);
    timer.start(
      INFO_TIMEOUT_MS,
      () => attempt.abort(new Error(`No answer from the server: ${INFO_TIMEOUT_MS / 1000} s`)),
    );
    try {
      return await fetchServerInfo(this.#base, attempt.signal, resume);
    } finally {
      timer.stop();
    }
  }
}

/** A request and its small answer, on a path that loses several packets in a row. */
const INFO_TIMEOUT_MS = 10_000;
