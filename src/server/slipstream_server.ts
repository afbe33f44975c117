import type { Capacity } from "../capacity/capacity.ts";
import type { RedisState } from "../broker/redis_broker.ts";
import type { ChannelInfo, Hub } from "../hub/hub.ts";
import type { Payload, Position } from "../protocol/message.ts";
import type { ServerInfo } from "../protocol/server_info.ts";
import type { Clock } from "../policy/clock.ts";
import type { LimitCounts } from "../session/limits/limit_name.ts";
import type { SessionInfo } from "../session/session_info.ts";
import type { SessionRegistry } from "../session/session_registry.ts";
import type { DisconnectOptions, Disconnects, DisconnectTarget } from "./disconnects.ts";
import type { Door } from "./door.ts";
import type { Webhooks } from "../webhooks/webhooks.ts";
import type { OriginGate, OriginRefusals } from "./origin_gate.ts";
import { type ChannelListener, ServerSubscription } from "./server_subscription.ts";
import type { WebTransportEntrance, WebTransportRoute } from "./webtransport_entrance.ts";

export type { ChannelInfo };

/** What {@linkcode SlipstreamServer} is made of; `serve()` puts it together. */
export interface ServerParts {
  readonly port: number;
  readonly developmentPort: number | undefined;
  readonly url: string;
  readonly info: () => ServerInfo;
  readonly capacity: Capacity;
  readonly hub: Hub;
  readonly door: Door;
  readonly gate: OriginGate;
  readonly entrance: WebTransportEntrance;
  readonly sessions: SessionRegistry;
  readonly disconnects: Disconnects;
  readonly redis: () => RedisState | undefined;
  readonly webhooks: Webhooks | undefined;
  /** Over how many milliseconds a drain spreads its departures where nothing is said. */
  readonly drainWindowMs: () => number;
  readonly clock: Clock;
  /** Ends everything but the transports, which have ended by then. */
  readonly stop: () => Promise<void>;
}

/** Counters of a node since its start. */
export interface Pressure {
  /** Publications that were dropped for subscribers that read too slowly, each counted once. */
  readonly dropped: number;
  /** `latest` values that newer ones replaced before they were sent. */
  readonly conflated: number;
  /** Transports that were closed with 3002. */
  readonly closedAsSlow: number;
  /** Commands of clients that were refused because there were too many. */
  readonly refusedCommands: number;
  /** How often each limit has stood against something, by the name of its option. */
  readonly limited: LimitCounts;
  /**
   * Sockets at the moment whose transport was closed and whose peer does not take that. Deno cannot
   * cut them off; each keeps its place among the transports of its address, of all and of the open
   * files until its TCP ends: with `--allow-ffi` once the peer has taken nothing for the heartbeat's
   * whole time, else when the peer ends it.
   */
  readonly lingering: number;
}

/** A running server, as the app holds it. */
export class SlipstreamServer {
  /** Resolves when the server has ended, by `drain()` or `close()`. */
  readonly finished: Promise<void>;
  readonly #parts: ServerParts;
  readonly #finish: () => void;
  #drain: Promise<void> | undefined;
  #close: Promise<void> | undefined;

  /** Use `serve()`. */
  constructor(parts: ServerParts) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#finish = resolve;
    this.#parts = parts;
  }

  /** Where the server is reached: `https://localhost:4433`. */
  get url(): string {
    return this.#parts.url;
  }

  /** The port of TCP and UDP. */
  get port(): number {
    return this.#parts.port;
  }

  /** In development mode the port of `http://localhost`. */
  get developmentPort(): number | undefined {
    return this.#parts.developmentPort;
  }

  /** In development mode where the pages are without a certificate warning. */
  get developmentUrl(): string | undefined {
    const { developmentPort } = this.#parts;
    return developmentPort === undefined ? undefined : `http://localhost:${developmentPort}`;
  }

  /** What `/rt/info` says at this moment. */
  get info(): ServerInfo {
    return this.#parts.info();
  }

  /** How many sessions this machine carries, by the limits that were read at the start. */
  get capacity(): Capacity {
    return this.#parts.capacity;
  }

  /** How Redis is at this moment; `undefined` where the node stands alone. */
  get redis(): RedisState | undefined {
    return this.#parts.redis();
  }

  /** How many sessions there are, those included that wait for their client to come back. */
  get sessions(): { readonly count: number } {
    return this.#parts.sessions;
  }

  /** How many transports are open. */
  get transports(): number {
    return this.#parts.sessions.transportCount;
  }

  /** What readers and writers that are too slow or too fast have come to so far. */
  get pressure(): Pressure {
    const { door, hub, sessions } = this.#parts;
    return {
      dropped: hub.dropped,
      conflated: hub.conflated,
      closedAsSlow: sessions.closedAsSlow,
      refusedCommands: sessions.refusedCommands,
      limited: { ...sessions.limitCounts },
      lingering: door.lingering,
    };
  }

  /** A session by its `id`, live; `undefined` if there is none, or no longer. */
  session(id: string): SessionInfo | undefined {
    return this.#parts.sessions.get(id);
  }

  /** A channel by its name, live; `undefined` while nobody on this node is subscribed. */
  channel(name: string): ChannelInfo | undefined {
    return this.#parts.hub.channel(name);
  }

  /** Requests that were refused for their origin so far, by why; each is a warning in the log too. */
  get originRefusals(): Readonly<OriginRefusals> {
    return this.#parts.gate.refusals;
  }

  /**
   * Publishes to all subscribers of `channel`; resolves once the broker keeps it.
   *
   * @param data Bytes go as they are, anything else as JSON.
   * @param options The `key` whose newest value this is: required in `latest` channels, forbidden
   * in `ordered` ones.
   * @throws {CommandError} If there is no such channel, its delivery and the key do not fit
   * together, or the broker cannot keep it.
   * @throws {TypeError} If `data` cannot be JSON.
   */
  async publish(channel: string, data: unknown, options: { key?: string } = {}): Promise<Position> {
    const { key } = options;
    return await this.#parts.hub.publish({
      channel,
      data: toPayload(data),
      ...(key !== undefined && { key }),
    });
  }

  /** Removes a key of a `latest` channel; its subscribers are told. Errors as of `publish()`. */
  async remove(channel: string, key: string): Promise<Position> {
    return await this.#parts.hub.publish({ channel, key, removed: true, data: NOTHING });
  }

  /**
   * How many sessions are present in a channel, over all nodes, without listing them.
   *
   * @throws {CommandError} If there is no such channel, it has no presence, or the broker cannot be
   * reached.
   */
  memberCount(channel: string): Promise<number> {
    return this.#parts.hub.memberCount(channel);
  }

  /**
   * Hears of a channel in this process: what clients publish, such as a game's inputs. The
   * listener is called in the turn in which a publication comes, and must not wait or throw; what
   * it throws is logged. Resolves with what ends it.
   *
   * @throws {CommandError} If there is no such channel, or the broker cannot be reached.
   */
  async subscribe(channel: string, listener: ChannelListener): Promise<() => void> {
    const { hub } = this.#parts;
    const subscription = new ServerSubscription(listener);
    await hub.subscribe(channel, subscription);
    return () => hub.unsubscribe(channel, subscription);
  }

  /**
   * Ends a session, or all of a user, on every node: `server.disconnect({ user: "42" })`. On this
   * one they have ended when it returns; resolves when the others will hear of it.
   *
   * @throws {CommandError} With 503 if they cannot be told now.
   * @throws {RangeError} If the code is none of 3000 to 4999.
   */
  disconnect(target: DisconnectTarget, options: DisconnectOptions = {}): Promise<void> {
    return this.#parts.disconnects.disconnect(target, options);
  }

  /**
   * Gives WebTransport sessions at `path` to the app, for a protocol of its own: `handler` has the
   * request before its answer, and accepts or rejects it. Its origin has passed.
   *
   * @throws {TypeError} If `path` does not begin with a slash, or is taken.
   */
  webtransport(path: string, handler: WebTransportRoute): void {
    this.#parts.entrance.addRoute(path, handler);
  }

  /**
   * Ends the server without a rush: nobody is let in any more, every client is told its own moment
   * at which it will be sent away, and when the last has gone the server closes. A second call, or
   * `close()`, ends it at once.
   *
   * @param options Over how many milliseconds the departures are spread; by default as many as the
   * clients need to come back at the rate at which a node takes them.
   */
  drain(options: { windowMs?: number } = {}): Promise<void> {
    if (this.#drain !== undefined) return this.close();
    const { door, sessions, drainWindowMs } = this.#parts;
    door.shut();
    const drained = sessions.drain(options.windowMs ?? drainWindowMs());
    return this.#drain = drained.then(() => this.close());
  }

  /** Ends the server at once: clients get code 3000 and may come back. Idempotent. */
  close(): Promise<void> {
    return this.#close ??= this.#closeNow();
  }

  async #closeNow(): Promise<void> {
    const { door, sessions, clock, stop, webhooks } = this.#parts;
    door.shut();
    sessions.close();
    // Deno ends the WebSockets of a server that stops with a code of its own.
    await within(clock, CLOSE_TIMEOUT_MS, door.emptied());
    await within(clock, CLOSE_TIMEOUT_MS, stop());
    // After the sessions: the backend is told of their end. It has its own limit of time.
    await webhooks?.close();
    this.#finish();
  }
}

/** For a peer that takes the close at once this is plenty; nobody waits longer for the others. */
const CLOSE_TIMEOUT_MS = 2000;

const encoder = new TextEncoder();

const NOTHING: Payload = { format: "binary", bytes: new Uint8Array(0) };

function toPayload(data: unknown): Payload {
  if (data instanceof Uint8Array) return { format: "binary", bytes: data };
  const text: string | undefined = JSON.stringify(data);
  if (text === undefined) {
    throw new TypeError(`What is published must be bytes or have a form in JSON: ${typeof data}`);
  }
  return { format: "json", bytes: encoder.encode(text) };
}

/** Resolves when `work` does, or after `ms`. */
async function within(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimeout(resolve, ms);
  try {
    await Promise.race([work, promise]);
  } finally {
    clock.clearTimeout(timer);
  }
}
