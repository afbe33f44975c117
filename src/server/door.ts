import type { ResourceGuard } from "../capacity/resource_guard.ts";
import type { Admission, Admitted, Refused } from "../policy/admission.ts";
import type { Clock, TimerId } from "../policy/clock.ts";
import { spreadWindowMs } from "../policy/jitter.ts";
import type { Random } from "../policy/random.ts";
import type { CloseInfo } from "../protocol/close_code.ts";
import type { ClientMessage } from "../protocol/message.ts";
import type {
  ClientAddress,
  Lane,
  Transport,
  TransportKind,
  TransportReceiver,
} from "../transport/transport.ts";
import { Passes } from "./passes.ts";
import type { Listening } from "./tcp_listener.ts";

/** The receiver of a transport that can be told to go. */
export interface Guest extends TransportReceiver {
  /** Tells the client that it will be sent away, and does so in `delayMs`. */
  drain(delayMs: number): void;
}

/** What a {@linkcode Door} needs. */
export interface DoorOptions {
  readonly admission: Admission;
  /** Asked before the admission: what the process has not, no limit of ours can give. */
  readonly guard: ResourceGuard;
  /** Takes what was let in. */
  readonly accept: (transport: Transport) => Guest;
  /** How many clients a second may be sent to come back. */
  readonly ratePerSecond: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** A client may come, and shows the pass when it does. */
export interface Invitation {
  readonly admitted: true;
  readonly pass: string;
}

/**
 * Where every transport comes in, once its origin has passed: nothing exists for one that there is
 * no place for.
 */
export class Door {
  readonly #options: DoorOptions;
  /** Bounded by the admission's maxSessions. */
  readonly #inside = new Set<Visit>();
  readonly #passes: Passes;
  /** Clients that there was no place for, by why. */
  readonly refusals: Map<string, number> = new Map();
  #lingering = 0;
  #shut = false;
  #emptied: PromiseWithResolvers<void> | undefined;
  #replacedTimer: TimerId | undefined;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#passes = new Passes(options.clock);
  }

  /**
   * Asks whether a client may come, before it opens anything: browsers tell a page nothing of why a
   * transport was refused, and when to try again. `returning`: a session waits for it here.
   */
  invite({ address, exempt }: ClientAddress, returning: boolean): Invitation | Refused {
    const { admission, guard } = this.#options;
    // Open files are no matter yet: the client may come over UDP.
    if (this.#shut || !guard.hasRoom(false)) return this.#refuse();
    const refused = admission.invite(
      exempt ? undefined : address,
      returning ? "returning" : "new",
    );
    if (refused !== undefined) this.#count(refused.reason);
    return refused ?? { admitted: true, pass: this.#passes.issue() };
  }

  /**
   * Asks for a place. Whoever gets a {@linkcode Visit} calls its `accept()` with the transport, or
   * its `abandon()`.
   *
   * @param pass What an {@linkcode Invitation} gave, if there was one.
   */
  enter(
    { address, exempt }: ClientAddress,
    pass: string | undefined,
    listening?: Listening,
  ): Visit | Refused {
    const { admission, guard, accept } = this.#options;
    if (this.#shut || !guard.hasRoom(listening !== undefined)) return this.#refuse();
    const invited = pass !== undefined && this.#passes.use(pass);
    const place = admission.admit(exempt ? undefined : address, invited ? "invited" : "new");
    if (place.admitted) return new Visit(this, place, accept, listening);
    this.#count(place.reason);
    return place;
  }

  /** Called by a visit that has its transport. */
  entered(visit: Visit): void {
    const { kind, listening } = visit;
    this.#inside.add(visit);
    if (listening !== undefined) listening.transports++;
    this.#options.guard.take(kind!, listening !== undefined);
  }

  /** How many transports are over whose peer has not let go of the socket. */
  get lingering(): number {
    return this.#lingering;
  }

  /** Called by a visit whose transport is over, but whose peer has not let go of the socket. */
  lingers(): void {
    this.#lingering++;
  }

  /** Called by a visit whose socket has ended. */
  gone({ kind, listening }: Visit, lingered: boolean): void {
    this.#options.guard.release(kind!, listening !== undefined);
    if (lingered) this.#lingering--;
  }

  /** Called by a visit whose transport is over. */
  left(visit: Visit): void {
    const { listening } = visit;
    this.#inside.delete(visit);
    if (listening !== undefined) listening.transports--;
    if (this.#inside.size > 0) return;
    this.#emptied?.resolve();
    this.#emptied = undefined;
  }

  /** Why nobody is let in at the moment, whatever the rate; `undefined` while clients are. */
  get closedBy(): "draining" | "capacity" | undefined {
    if (this.#shut) return "draining";
    return this.#options.guard.hasRoom(true) ? undefined : "capacity";
  }

  /** Lets nobody in any more. */
  shut(): void {
    this.#shut = true;
    if (this.#replacedTimer !== undefined) this.#options.clock.clearTimeout(this.#replacedTimer);
  }

  #count(reason: string): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }

  #refuse(): Refused {
    this.#count(this.#shut ? "draining" : "capacity");
    const retryAfterMs = SHUT_RETRY_MS * (1 + this.#options.random());
    return { admitted: false, reason: "total", retryAfterMs };
  }

  /** Resolves when the last transport has ended: its close has reached the peer, or it was lost. */
  emptied(): Promise<void> {
    if (this.#inside.size === 0) return Promise.resolve();
    return (this.#emptied ??= Promise.withResolvers()).promise;
  }

  /**
   * Sends away those who came through sockets that are not current any more, each at its own moment
   * so that they come back at the rate at which a node takes them, and then calls `onDone`.
   */
  sendReplacedAway(onDone: () => void): void {
    const { clock, random, ratePerSecond } = this.#options;
    if (this.#shut) return;
    const old = [...this.#inside].filter(({ listening }) => listening?.current === false);
    const windowMs = spreadWindowMs(old.length, ratePerSecond);
    let latestMs = 0;
    for (const visit of old) {
      const delayMs = random() * windowMs;
      latestMs = Math.max(latestMs, delayMs);
      visit.drain(delayMs);
    }
    if (this.#replacedTimer !== undefined) clock.clearTimeout(this.#replacedTimer);
    this.#replacedTimer = clock.setTimeout(onDone, latestMs + LINGER_MS);
  }
}

/** One transport's stay, from its admission to its end. */
export class Visit implements TransportReceiver {
  readonly admitted = true;
  readonly listening: Listening | undefined;
  /** Of its transport, once that is there. */
  kind: TransportKind | undefined;
  readonly #door: Door;
  readonly #place: Admitted;
  readonly #accept: (transport: Transport) => Guest;
  #guest: Guest | undefined;

  constructor(
    door: Door,
    place: Admitted,
    accept: (transport: Transport) => Guest,
    listening: Listening | undefined,
  ) {
    this.#door = door;
    this.#place = place;
    this.#accept = accept;
    this.listening = listening;
  }

  /** Takes the transport that the place was for, and receives from it. */
  accept(transport: Transport): TransportReceiver {
    this.kind = transport.kind;
    this.#door.entered(this);
    this.#guest = this.#accept(transport);
    return this;
  }

  /** Gives the place back if no transport came of it. */
  abandon(): void {
    if (this.#guest === undefined) this.#place.release();
  }

  drain(delayMs: number): void {
    this.#guest!.drain(delayMs);
  }

  receive(message: ClientMessage, bytes: number): void {
    this.#guest!.receive(message, bytes);
  }

  alive(): void {
    this.#guest!.alive();
  }

  drained(lane: Lane): void {
    this.#guest!.drained(lane);
  }

  /**
   * A socket that lingers keeps its place until it has ended: a peer that reads nothing could
   * otherwise have any number of them.
   */
  closed(info: CloseInfo, lingering?: Promise<void>): void {
    if (lingering === undefined) this.#gone(false);
    else {
      this.#door.lingers();
      void lingering.then(() => this.#gone(true));
    }
    this.#guest!.closed(info);
    this.#door.left(this);
  }

  #gone(lingered: boolean): void {
    this.#place.release();
    this.#door.gone(this, lingered);
  }
}

/** A node that goes away is not worth asking again soon; its successor may be there by then. */
const SHUT_RETRY_MS = 2000;

/** The last to go has this long to take its close before its socket goes. */
const LINGER_MS = 1000;
