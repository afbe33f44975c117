import type { Clock } from "../policy/clock.ts";
import { Backoff } from "../policy/jitter.ts";
import type { Random } from "../policy/random.ts";
import type { CloseInfo } from "../protocol/close_code.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  Delivery,
  Gap,
  Member,
  Position,
  PresenceEvent,
  Publication,
  Subscribe,
  Subscribed,
  Track,
  Unsubscribe,
} from "../protocol/message.ts";
import { AgeMeter } from "./age_meter.ts";
import { call } from "./emitter.ts";
import { messageOf, OutcomeUnknownError } from "./errors.ts";
import { LatestKeys } from "./latest_keys.ts";
import { LazyPublication, type ReceivedPublication, valueOf } from "./publication.ts";
import { Timer } from "./timer.ts";
import type { TokenSource } from "./token.ts";
import { TrackedKeys } from "./tracked_keys.ts";

/** One session that is present in a channel. */
export interface PresentMember {
  /** Its public name, as in `client.session` and `publication.publisher`. */
  readonly session: string;
  /** Who its client has proved to be; `undefined` if nobody knows. */
  readonly user: string | undefined;
  /** What it said of itself in `connect(url, { info })`. */
  readonly info: unknown;
}

/** Publications were missed and cannot be healed. */
export interface ChannelGap {
  /** Delivery goes on after it. */
  readonly position: Position;
  /** How many are missing; `undefined` if nobody knows, as after the server lost its data. */
  readonly missed: number | undefined;
}

/** Who hears of a channel, and from where on. */
export interface SubscribeOptions<T = unknown> {
  /**
   * Called with each publication: in an `ordered` channel in order and none twice, in a `latest`
   * one with the newest of each key.
   */
  readonly onPublication: (publication: ReceivedPublication<T>) => void;
  /** Called whenever the subscription begins to run, at first and after each loss of a session. */
  readonly onSubscribed?: (subscribed: { delivery: Delivery; position: Position }) => void;
  /**
   * Called where publications are missing. In a `latest` channel forget all values held: those of
   * keys that are still there follow.
   */
  readonly onGap?: (gap: ChannelGap) => void;
  /** Called when a session joins the channel; only in namespaces with presence. */
  readonly onJoin?: (member: PresentMember) => void;
  /** Called when a session leaves the channel; only in namespaces with presence. */
  readonly onLeave?: (member: PresentMember) => void;
  /**
   * Called once if the subscription ends other than by `unsubscribe()`: refused, ended by the
   * server, or closed with the client.
   */
  readonly onUnsubscribed?: (end: CloseInfo) => void;
  /**
   * Where to go on, as of an earlier subscription; without it delivery begins with the next
   * publication, in a `latest` channel with the value of every key.
   */
  readonly position?: Position;
  /**
   * Opens the channel, where its namespace asks for it: a JSON Web Token that names it; or a
   * function that gets one, which is asked whenever the subscription begins anew.
   */
  readonly token?: TokenSource;
  /**
   * The keys of a `latest` channel that are wanted, as those in view: others are never sent. Without
   * it all are. `subscription.track()` changes them.
   */
  readonly keys?: Iterable<string>;
}

/** A running subscription to a channel. It outlives transports and sessions. */
export interface Subscription {
  readonly channel: string;
  /** Resolves when the server has confirmed it for the first time; rejects if it refuses. */
  readonly ready: Promise<void>;
  /** How far publications have come in; `undefined` before the first confirmation. */
  readonly position: Position | undefined;
  /**
   * How old publications are when they come, smoothed, in milliseconds by the server's clock;
   * `undefined` before one came.
   */
  readonly ageMs: number | undefined;
  /**
   * Changes which keys are wanted: the newest values of those that are added follow. Takes effect at
   * the end of this turn; may be called as often as the view moves.
   *
   * @throws {Error} If the subscription was made without `keys`, and has every key.
   */
  track(add: Iterable<string>, remove?: Iterable<string>): void;
  /** Ends the subscription; nothing is delivered afterwards. Idempotent. */
  unsubscribe(): void;
}

/** What a subscription needs of its client. */
export interface SubscriptionHost {
  readonly clock: Clock;
  readonly random: Random;
  /** Sends a command in the session of now; rejects if the transport is lost before the answer. */
  command(
    command: Omit<Subscribe, "id"> | Omit<Track, "id"> | Omit<Unsubscribe, "id">,
  ): { id: number; reply: Promise<unknown> };
  /** The server's time, in milliseconds since 1970; `undefined` before it was told. */
  readonly serverTimeMs: number | undefined;
  /** Tells the server how old publications are when they come. */
  reportAge(channel: string, ageMs: number): void;
  /** Tells the app of an error that nobody waits for. */
  trouble(error: Error): void;
  /** Forgets a subscription that is over. */
  remove(subscription: ChannelSubscription): void;
}

/** A subscription across transports and sessions: what it has seen, and where it goes on. */
export class ChannelSubscription implements Subscription {
  readonly channel: string;
  readonly ready: Promise<void>;
  readonly #host: SubscriptionHost;
  readonly #options: SubscribeOptions<never>;
  readonly #keys = new LatestKeys();
  #resolveReady!: () => void;
  #rejectReady!: (error: Error) => void;
  #delivery: Delivery = "ordered";
  #position: Position | undefined;
  /** The session of now has confirmed it. */
  #confirmed = false;
  /** Publications are taken: none precedes the confirmation on this transport. */
  #live = false;
  #over = false;
  /** The subscribe command whose answer counts; 0 while there is none. */
  #commandId = 0;
  /** Counts the times at which a token was asked for: only the last one counts. */
  #asked = 0;
  /** Where a hole was when the server was last asked to fill one. */
  #healedAt = -1;
  /** The keys that are wanted; `undefined`: all. */
  readonly #wanted: TrackedKeys | undefined;
  /** Values that have overtaken the confirmation, the newest of each key. */
  readonly #early = new Map<string, Publication>();
  readonly #age = new AgeMeter();
  #backoff: Backoff | undefined;
  readonly #retry: Timer;

  constructor(channel: string, options: SubscribeOptions<never>, host: SubscriptionHost) {
    this.channel = channel;
    this.#options = options;
    this.#host = host;
    this.#retry = new Timer(host.clock);
    this.#position = options.position;
    this.#wanted = options.keys && new TrackedKeys(options.keys);
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Whoever has `onUnsubscribed` need not look at `ready`.
    this.ready.catch(() => {});
  }

  get position(): Position | undefined {
    return this.#position;
  }

  get ageMs(): number | undefined {
    return this.#age.smoothedMs;
  }

  track(add: Iterable<string>, remove: Iterable<string> = []): void {
    if (this.#wanted === undefined) {
      throw new Error(`The subscription was made without keys, and has every one: ${this.channel}`);
    }
    if (this.#wanted.change(add, remove)) queueMicrotask(() => this.#track());
  }

  /** Where a resumed session is to go on; `undefined` if the session does not know it. */
  get resumePosition(): Position | undefined {
    return this.#confirmed ? this.#position : undefined;
  }

  unsubscribe(): void {
    if (this.#over) return;
    const known = this.#confirmed || this.#commandId !== 0;
    this.#finish(new Error(`The subscription was ended before it began: ${this.channel}`));
    if (known) this.#unsubscribe();
  }

  /** The client is connected; `resumed`: the server still has what it had confirmed. */
  connected(resumed: boolean): void {
    this.#confirmed &&= resumed;
    if (!this.#confirmed) this.#subscribe();
  }

  /** The transport is lost. */
  interrupted(): void {
    this.#live = false;
    this.#commandId = 0;
    this.#asked++;
    this.#early.clear();
    this.#retry.stop();
  }

  /** Takes the server's confirmation, asked for or, after a resume, not. */
  subscribed(message: Subscribed): void {
    if (message.id === 0 ? !this.#confirmed : message.id !== this.#commandId) return;
    const { position, recovered, delivery } = message;
    const held = this.#position;
    this.#commandId = 0;
    this.#confirmed = true;
    this.#live = true;
    this.#backoff = undefined;
    this.#delivery = delivery;
    if (held === undefined || held.epoch !== position.epoch || !recovered) {
      this.#moveTo(position);
    }
    this.#keys.replay();
    this.#resolveReady();
    call(this.#options.onSubscribed, { delivery, position });
    if (held !== undefined && !recovered) this.#gap(held, position);
    const early = [...this.#early.values()];
    this.#early.clear();
    for (const publication of early) this.publication(publication);
    this.#track();
  }

  /** Takes a publication, in whatever order and however often it comes. */
  publication(publication: Publication): void {
    if (!this.#live) return this.#hold(publication);
    const { epoch, offset } = this.#position!;
    if (publication.offset > offset) this.#measure(publication.time);
    if (this.#delivery === "latest") {
      if (!this.#keys.accept(publication.key ?? "", publication.offset)) return;
      if (publication.offset > offset) this.#position = { epoch, offset: publication.offset };
    } else {
      if (publication.offset <= offset) return;
      if (publication.offset > offset + 1 && this.#heal(offset)) return;
      if (publication.offset > offset + 1) {
        this.#gap(this.#position!, { epoch, offset: publication.offset - 1 });
      }
      this.#position = { epoch, offset: publication.offset };
    }
    call(this.#options.onPublication, new LazyPublication<never>(publication));
  }

  /** Takes the server's word that something is missing. */
  gap(message: Gap): void {
    if (!this.#live) return;
    const held = this.#position!;
    if (held.epoch === message.position.epoch && message.position.offset <= held.offset) return;
    this.#moveTo(message.position);
    this.#gap(held, message.position, message.missed);
  }

  /** Takes a join or leave. */
  presence(event: PresenceEvent): void {
    if (!this.#live) return;
    const { onJoin, onLeave } = this.#options;
    call(event.type === "join" ? onJoin : onLeave, memberOf(event.member));
  }

  /** Ends it: the server refuses it or wants no more of it, or, with `error`, the client closes. */
  end(info: CloseInfo, error: Error = new CommandError(info.code, info.reason)): void {
    if (this.#over) return;
    // The token has expired: there may be another.
    if (info.code === ErrorCode.UNAUTHORIZED && this.#asks) return this.#later();
    this.#finish(error);
    call(this.#options.onUnsubscribed, { code: info.code, reason: info.reason });
  }

  /** A datagram may overtake the confirmation, and its value is not sent again. */
  #hold(publication: Publication): void {
    const { key, offset } = publication;
    if (key === undefined || this.#over || this.#early.size >= MAX_EARLY) return;
    if (offset > (this.#early.get(key)?.offset ?? 0)) this.#early.set(key, publication);
  }

  /** Only of what is new: what is replayed is as old as it is. */
  #measure(time: number): void {
    const { serverTimeMs } = this.#host;
    if (serverTimeMs === undefined) return;
    const ageMs = this.#age.add(serverTimeMs - time, this.#host.clock.now());
    if (ageMs !== undefined && this.#delivery === "latest") {
      this.#host.reportAge(this.channel, ageMs);
    }
  }

  /** Tells the server which keys are wanted by now, if it can be told. */
  #track(): void {
    if (!this.#live || this.#over) return;
    const changes = this.#wanted?.take();
    if (changes === undefined) return;
    // What a forgotten key had is no measure for what comes of one that is wanted again.
    this.#keys.replay();
    this.#host.command({ type: "track", channel: this.channel, ...changes }).reply.catch(
      (error) => {
        // With the transport gone, the next one is told.
        if (error instanceof OutcomeUnknownError) this.#wanted!.restore(changes);
        else if (!this.#over) this.#host.trouble(error);
      },
    );
  }

  get #asks(): boolean {
    return typeof this.#options.token === "function";
  }

  #subscribe(): void {
    const { token } = this.#options;
    if (typeof token !== "function") return this.#send(token);
    const asked = ++this.#asked;
    Promise.resolve().then(token).then(
      (token) => asked === this.#asked && !this.#over && this.#send(token),
      () => asked === this.#asked && !this.#over && this.#later(),
    );
  }

  #send(token: string | undefined): void {
    const keys = this.#wanted && { keys: this.#wanted.all() };
    const position = this.#position === undefined ? undefined : { position: this.#position };
    const { id, reply } = this.#host.command({
      type: "subscribe",
      channel: this.channel,
      ...(token !== undefined && { token }),
      ...keys,
      ...position,
    });
    this.#commandId = id;
    reply.catch((error) => this.#refused(id, error));
  }

  /** Subscribes in a while, and after a while longer each time. */
  #later(): void {
    this.#live = false;
    this.#confirmed = false;
    this.#backoff ??= new Backoff({}, this.#host.random);
    this.#retry.start(this.#backoff.nextDelayMs(), () => this.#subscribe());
  }

  #unsubscribe(): void {
    // Either the server knows no such subscription, or the transport went away and it with it.
    this.#host.command({ type: "unsubscribe", channel: this.channel }).reply.catch(() => {});
  }

  #resubscribe(): void {
    this.#live = false;
    this.#confirmed = false;
    this.#unsubscribe();
    this.#subscribe();
  }

  #refused(id: number, error: unknown): void {
    // With the transport gone, the next one asks again.
    if (this.#over || id !== this.#commandId || error instanceof OutcomeUnknownError) return;
    this.#commandId = 0;
    const code = error instanceof CommandError ? error.code : ErrorCode.BAD_REQUEST;
    switch (code) {
      case ErrorCode.CONFLICT:
        // A resumed session has it from before, at another position than ours.
        return this.#resubscribe();
      case ErrorCode.UNAVAILABLE:
      case ErrorCode.TOO_MANY:
      case ErrorCode.INTERNAL:
        return this.#later();
      default:
        this.end({ code, reason: messageOf(error) });
    }
  }

  /** Asks for what is missing after `offset`; false if that was asked for already, in vain. */
  #heal(offset: number): boolean {
    if (this.#healedAt === offset) return false;
    this.#healedAt = offset;
    this.#resubscribe();
    return true;
  }

  #moveTo(position: Position): void {
    if (position.epoch !== this.#position?.epoch) this.#keys.clear();
    this.#position = position;
  }

  #gap(from: Position, to: Position, missed?: number): void {
    const known = from.epoch === to.epoch && this.#delivery === "ordered"
      ? to.offset - from.offset
      : undefined;
    call(this.#options.onGap, { position: to, missed: missed ?? known });
  }

  #finish(error: Error): void {
    this.#over = true;
    this.#live = false;
    this.#retry.stop();
    this.#rejectReady(error);
    this.#host.remove(this);
  }
}

/** As many keys as a server's channel has by default. */
const MAX_EARLY = 10_000;

/** A member with its info as a value. */
export function memberOf({ session, user, info }: Member): PresentMember {
  return { session, user, info: info === undefined ? undefined : valueOf(info) };
}
