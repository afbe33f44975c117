import { CloseCode, type CloseInfo, mayReconnect } from "../protocol/close_code.ts";
import type {
  ChannelPosition,
  ClientMessage,
  Connected,
  Payload,
  ServerMessage,
} from "../protocol/message.ts";
import { retryAfterOf } from "../protocol/retry_after.ts";
import type { ClientEvents, ClientState } from "./client.ts";
import type { Connector, Opened } from "./connector.ts";
import type { Emitter } from "./emitter.ts";
import type { Environment } from "./environment.ts";
import { HttpError } from "./http_error.ts";
import { Link, type LinkOwner, type Traffic } from "./link.ts";
import type { Fallback } from "./race.ts";
import { Reconnect } from "./reconnect.ts";
import { MOST_TIMES } from "./avoided.ts";
import { Timer } from "./timer.ts";
import { TokenRefresh, type TokenSource } from "./token.ts";
import type { TransportKind } from "./transports/transport.ts";

/** Who uses an {@linkcode Uplink}. */
export interface UplinkOwner {
  /** An ID for a `connect`, above all IDs of the session. */
  nextId(): number;
  /** What has been seen of the channels that the session knows. */
  positions(): readonly ChannelPosition[];
  /** The session runs over a new link; `resumed`: it is the one of before. */
  opened(resumed: boolean): void;
  /** Shows the server a new token; only while open. */
  refresh(token: string): Promise<{ readonly expiresInMs?: number }>;
  /** A message that is for the session, not for the link. */
  receive(message: ServerMessage): void;
  /** Adds, at the end of a turn, what is worth sending only now. */
  fill(link: Link): void;
  /** The link is lost; nothing can be sent until `opened()`. */
  interrupted(): void;
  /** It is over for good. */
  ended(info: CloseInfo): void;
}

/** What a client says of itself. */
export interface Introduction {
  readonly info: Payload | undefined;
  readonly token: TokenSource | undefined;
}

/**
 * Keeps a session connected: one link after the other, with the waits in between, until it is over
 * for good.
 */
export class Uplink implements LinkOwner {
  readonly traffic: Traffic = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };
  state: ClientState = "connecting";
  /** What the session runs over. */
  transport: TransportKind | undefined;
  /** The session's public name. */
  session: string | undefined;
  fallbacks: readonly Fallback[] = [];
  readonly #owner: UplinkOwner;
  readonly #introduction: Introduction;
  readonly #tokenRefresh: TokenRefresh;
  readonly #connector: Connector;
  readonly #events: Emitter<ClientEvents>;
  readonly #environment: Environment;
  readonly #reconnect: Reconnect;
  readonly #stopAwake: () => void;
  /** The link of now. Others that are still open are not listened to. */
  #link: Link | undefined;
  /** A link that is left for the one of now, open until the session has moved. */
  #leftLink: Link | undefined;
  /** Whether the server has answered `connect` on the link of now. */
  #open = false;
  /** It has ended, or is about to. */
  #over = false;
  #connectId = 0;
  #ticket = "";
  #spreadMs = 0;
  /** The server has said when it will close. */
  #announced = false;
  #attempt: AbortController | undefined;
  /** Until the next attempt. */
  readonly #retry: Timer;
  /** Until the session is to move to another link, while it has one. */
  readonly #move: Timer;
  /** How long until a better transport is tried, without the jitter. */
  #upgradeMs: number;
  readonly #firstUpgradeMs: number;
  /** No attempt before this time, by the clock, as the server has asked. */
  #notBeforeMs = 0;
  #scheduled = false;

  constructor(
    owner: UplinkOwner,
    introduction: Introduction,
    connector: Connector,
    upgradeAfterMs: number,
    events: Emitter<ClientEvents>,
    environment: Environment,
  ) {
    this.#owner = owner;
    this.#introduction = introduction;
    this.#tokenRefresh = new TokenRefresh(
      introduction.token,
      environment.clock,
      (token) => owner.refresh(token),
      (error) => events.emit("error", error),
    );
    this.#connector = connector;
    this.#firstUpgradeMs = this.#upgradeMs = upgradeAfterMs;
    this.#events = events;
    this.#environment = environment;
    this.#retry = new Timer(environment.clock);
    this.#move = new Timer(environment.clock);
    this.#reconnect = new Reconnect(environment.clock, environment.random);
    this.#stopAwake = environment.onAwake(() => this.#awake());
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#open;
  }

  /** Smoothed round-trip time over the link of now, in milliseconds. */
  get rttMs(): number | undefined {
    return this.#link?.watch.rttMs;
  }

  /** The server's time, in milliseconds since 1970, once it was told. */
  get serverTimeMs(): number | undefined {
    return this.#link?.watch.serverTime.at(this.#environment.clock.now());
  }

  /** Opens a link and moves the session to it; with `better` only over one preferred to that. */
  connect(better?: TransportKind): void {
    this.#attempt?.abort();
    this.#retry.stop();
    this.#move.stop();
    const controller = this.#attempt = new AbortController();
    const resume = this.session && `${this.session} ${this.#ticket}`;
    const purpose = { resume, moving: this.#link !== undefined, better };
    this.#connector.open(() => new Link(this, this.#environment), controller, purpose).then(
      (opened) => {
        const { token } = this.#introduction;
        if (typeof token !== "function") return this.#proceed(controller, opened, token);
        return Promise.resolve().then(token).then(
          (token) => this.#proceed(controller, opened, token),
          (error) => {
            opened.link.abandon();
            throw error;
          },
        );
      },
    ).catch((error) => {
      if (this.#attempt === controller) this.#failed(error, better !== undefined);
    });
  }

  #proceed(attempt: AbortController, opened: Opened, token: string | undefined): void {
    if (this.#attempt === attempt) this.#adopt(opened, token);
    else opened.link.abandon();
  }

  /**
   * Queues a message; only while open.
   *
   * @throws {RangeError} If the server would refuse it for its size.
   */
  send(message: ClientMessage): void {
    this.#link!.send(message);
  }

  /** Measures the round-trip time, if open. */
  ping(): void {
    if (this.#open) this.#link!.watch.ping();
  }

  /** Ends it for good; idempotent. The server hears of it, if it can be told. */
  end(info: CloseInfo): void {
    if (this.#over) return;
    const link = this.#link;
    if (this.#open && !link!.transport.ended) link!.send({ type: "leave" });
    this.#over = true;
    this.#detach();
    link?.close(info.code, info.reason);
    this.#attempt?.abort();
    this.#attempt = undefined;
    this.#retry.stop();
    this.#move.stop();
    this.#stopAwake();
    this.#enter("closed");
    this.#owner.ended(info);
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#flush());
  }

  receive(link: Link, message: ServerMessage): void {
    if (link !== this.#link) return;
    switch (message.type) {
      case "connected":
        return this.#connected(link, message);
      case "ping":
        return link.send({ type: "pong", id: message.id });
      case "pong":
        return link.pong(message);
      case "drain":
        this.#announced = true;
        return this.#events.emit("drain", { delayMs: message.delayMs });
      case "close":
        return link.close(message.code, message.reason);
      case "error":
        if (message.id !== this.#connectId) break;
        return link.close(CloseCode.TRANSPORT_LOST, `No session: ${message.message}`);
    }
    this.#owner.receive(message);
  }

  closed(link: Link, info: CloseInfo): void {
    if (link !== this.#link) return;
    const expired = info.code === CloseCode.TOKEN_EXPIRED;
    const hopeless = expired && typeof this.#introduction.token !== "function";
    if (!mayReconnect(info.code) || hopeless) return this.end(info);
    this.#detach();
    if (this.state === "connected") this.#enter("reconnecting");
    // An attempt to move elsewhere is under way already.
    if (this.#attempt === undefined) this.#comeBack(info, retryAfterOf(info));
  }

  /**
   * Moves the session away from a path that is broken. The whole server may be gone, with all its
   * clients: they spread as it has asked them to. A path that is only slow shows that it is there.
   */
  stalled(link: Link, reason: string, slow: boolean): void {
    if (link !== this.#link || !this.#open || this.#attempt !== undefined) return;
    const { wanted, avoided } = this.#connector;
    const others = wanted.filter((kind) => kind !== link.transport.kind && !avoided.has(kind));
    // Where all are slow it is the path.
    if (slow && others.length === 0) return;
    const delayMs = slow ? 0 : this.#environment.random() * this.#spreadMs;
    this.#move.start(delayMs, () => {
      if (!slow && !link.stall.stalled) return this.#planUpgrade();
      avoided.add(link.transport.kind, reason);
      this.connect();
    });
  }

  #adopt({ link, fallbacks }: Opened, token: string | undefined): void {
    this.#attempt = undefined;
    if (link.transport.ended) return this.#failed(new Error("The transport closed as it opened"));
    const left = this.#link;
    if (left !== undefined) this.#leave();
    this.#leftLink = left;
    this.#link = link;
    this.fallbacks = fallbacks;
    link.watch.connecting();
    this.#connectId = this.#owner.nextId();
    const { info } = this.#introduction;
    link.send({
      type: "connect",
      id: this.#connectId,
      ...(info !== undefined && { info }),
      ...(token !== undefined && { token }),
      ...(this.session !== undefined && {
        resume: {
          session: this.session,
          ticket: this.#ticket,
          positions: this.#owner.positions(),
        },
      }),
    });
  }

  #connected(link: Link, message: Connected): void {
    if (this.#open || message.id !== this.#connectId) return;
    this.#open = true;
    this.#announced = false;
    this.#leftLink?.abandon();
    this.#leftLink = undefined;
    this.session = message.session;
    this.#ticket = message.ticket;
    this.#spreadMs = message.reconnectSpreadMs;
    link.maxMessageBytes = message.maxMessageBytes;
    link.watch.connected(message);
    this.#reconnect.connected();
    this.#tokenRefresh.holds(message.expiresInMs);
    this.#connector.worked(link.transport.kind);
    this.#planUpgrade();
    this.#owner.opened(message.resumed);
    this.schedule();
    // Last: listeners may call whatever they like.
    this.#use(link.transport.kind);
    this.#enter("connected");
  }

  #flush(): void {
    this.#scheduled = false;
    const link = this.#link;
    if (link === undefined) return;
    if (this.#open) this.#owner.fill(link);
    link.flush();
  }

  /** Lets go of the link of now, which is lost. */
  #detach(): void {
    this.#leave();
    this.#use(undefined);
  }

  /** Lets go of the link of now; until the next one is open `transport` says what it was. */
  #leave(): void {
    const open = this.#open;
    this.#link?.stop();
    this.#tokenRefresh.stop();
    this.#move.stop();
    this.#link = undefined;
    this.#open = false;
    this.#leftLink?.abandon();
    this.#leftLink = undefined;
    // At the end, what waits hears of that instead.
    if (open && !this.#over) this.#owner.interrupted();
  }

  /** Tries a better transport in a while, if there is one, ever less often. */
  #planUpgrade(): void {
    const { transport } = this.#link!;
    if (this.#connector.wanted.indexOf(transport.kind) <= 0) {
      this.#upgradeMs = this.#firstUpgradeMs;
      return;
    }
    const delayMs = this.#upgradeMs * (1 + this.#environment.random());
    this.#upgradeMs = Math.min(MOST_TIMES * this.#firstUpgradeMs, 2 * this.#upgradeMs);
    if (delayMs === Infinity) return;
    this.#move.start(delayMs, () => {
      if (this.#connector.betterThan(transport.kind).length > 0) this.connect(transport.kind);
      else this.#planUpgrade();
    });
  }

  #failed(error: Error, upgrade = false): void {
    this.#attempt = undefined;
    // Nobody waits for a better transport, or needs to know that there is none yet.
    if (!upgrade) this.#events.emit("error", error);
    if (this.#link !== undefined) {
      // A path that is still silent is left to the heartbeat, or to the next try.
      if (this.#open) this.#planUpgrade();
      return;
    }
    const cause = error instanceof HttpError ? error : error.cause;
    this.#comeBack(undefined, cause instanceof HttpError ? cause.retryAfterMs : 0);
  }

  #comeBack(info: CloseInfo | undefined, retryAfterMs: number): void {
    const { clock } = this.#environment;
    const delayMs = this.#reconnect.delayMs({
      // Neither brings a herd: the server has spread the one, and tokens expire each at its own time.
      announced: this.#announced && info?.code === CloseCode.SHUTDOWN ||
        info?.code === CloseCode.TOKEN_EXPIRED,
      spreadMs: this.#spreadMs,
      retryAfterMs,
    });
    this.#notBeforeMs = clock.now() + retryAfterMs;
    this.#retry.start(delayMs, () => this.connect());
  }

  /** The network may be back, or the page has slept: what waits need wait no longer. */
  #awake(): void {
    const { clock, random } = this.#environment;
    if (this.#retry.running) {
      const delayMs = Math.max(0, this.#notBeforeMs - clock.now());
      this.#retry.start(delayMs + random() * AWAKE_SPREAD_MS, () => this.connect());
    } else if (this.#open) {
      this.#link!.watch.probe();
    }
  }

  #enter(state: ClientState): void {
    if (state === this.state) return;
    this.state = state;
    this.#events.emit("state", state);
  }

  #use(transport: TransportKind | undefined): void {
    if (transport === this.transport) return;
    this.transport = transport;
    this.#events.emit("transport", transport);
  }
}

/** A network that comes back does so for all its clients at once. */
const AWAKE_SPREAD_MS = 1000;
