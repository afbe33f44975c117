import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { CloseCode, type CloseInfo } from "../protocol/close_code.ts";
import type { ChannelPosition, Position, Publish, ServerMessage } from "../protocol/message.ts";
import { type Channel, type ChannelHost, ClientChannel } from "./channel.ts";
import type { Client, ClientEvents, ClientState, ConnectOptions } from "./client.ts";
import { Commands } from "./commands.ts";
import { Connector } from "./connector.ts";
import { Emitter } from "./emitter.ts";
import type { Environment } from "./environment.ts";
import { ClosedError } from "./errors.ts";
import { LatestOutbox } from "./latest_outbox.ts";
import type { Link, Traffic } from "./link.ts";
import { payloadOf, valueOf } from "./publication.ts";
import type { Fallback } from "./race.ts";
import {
  ChannelSubscription,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionHost,
} from "./subscription.ts";
import type { TransportKind } from "./transports/transport.ts";
import { Uplink, type UplinkOwner } from "./uplink.ts";

/** The client behind {@linkcode Client}: what waits, what is subscribed, and who hears of what. */
export class Core implements Client, UplinkOwner, SubscriptionHost, ChannelHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseInfo>;
  readonly #events = new Emitter<ClientEvents>();
  readonly #connector: Connector;
  readonly #uplink: Uplink;
  readonly #commands: Commands;
  readonly #latest: LatestOutbox;
  readonly #subscriptions = new Map<string, ChannelSubscription>();
  #resolveReady!: () => void;
  #rejectReady!: (error: Error) => void;
  #resolveClosed!: (info: CloseInfo) => void;
  #end: CloseInfo | undefined;

  constructor(base: URL, options: ConnectOptions, environment: Environment) {
    const {
      transports = ["webtransport", "websocket", "sse"],
      encoding = "binary",
      upgradeAfterMs = 60_000,
      maxPendingCommands = 1024,
      maxPendingBytes = 4_194_304,
      maxIncomingBytes = 16_777_216,
    } = options;
    this.clock = environment.clock;
    this.random = environment.random;
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Whoever listens for `close` need not look at `ready`.
    this.ready.catch(() => {});
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    this.#commands = new Commands(
      { maxPendingCommands, maxPendingBytes },
      (message) => this.#uplink.send(message),
    );
    this.#latest = new LatestOutbox(
      this.clock,
      (publication) => this.#commands.request(publication),
      () => this.#uplink.schedule(),
    );
    const settings = { encoding, maxIncomingBytes };
    this.#connector = new Connector(base, transports, upgradeAfterMs, settings, environment);
    const info = options.info === undefined ? undefined : payloadOf(options.info);
    const { token } = options;
    this.#uplink = new Uplink(
      this,
      { info, token },
      this.#connector,
      upgradeAfterMs,
      this.#events,
      environment,
    );
    this.#uplink.connect();
  }

  get state(): ClientState {
    return this.#uplink.state;
  }

  get transport(): TransportKind | undefined {
    return this.#uplink.transport;
  }

  get rttMs(): number | undefined {
    return this.#uplink.rttMs;
  }

  get session(): string | undefined {
    return this.#uplink.session;
  }

  get fallbacks(): readonly Fallback[] {
    return this.#uplink.fallbacks;
  }

  get stats(): Readonly<Traffic> {
    return this.#uplink.traffic;
  }

  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (value: ClientEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  channel<T>(name: string): Channel<T> {
    return new ClientChannel<T>(name, this);
  }

  async rpc<T>(method: string, data: unknown = null): Promise<T> {
    const result = await this.request({ type: "rpc", method, data: payloadOf(data) });
    return valueOf(result.data) as T;
  }

  ping(): void {
    this.#uplink.ping();
  }

  use(transports: readonly TransportKind[]): void {
    this.#connector.wanted = transports;
    if (this.#end === undefined) this.#uplink.connect();
  }

  close(code: number = CloseCode.LEFT, reason = ""): void {
    this.#uplink.end({ code, reason });
  }

  // What channels ask for.

  subscribe(channel: string, options: SubscribeOptions<never>): Subscription {
    if (this.#end !== undefined) throw new ClosedError(this.#end);
    if (this.#subscriptions.has(channel)) {
      throw new Error(`The client is subscribed to this channel already: ${channel}`);
    }
    const subscription = new ChannelSubscription(channel, options, this);
    this.#subscriptions.set(channel, subscription);
    if (this.#uplink.open) subscription.connected(false);
    return subscription;
  }

  async publish(
    publication: Omit<Publish, "id">,
    acknowledge: boolean,
  ): Promise<Position | undefined> {
    const { channel, key } = publication;
    // A value of before must not come after this one.
    if (acknowledge && key !== undefined) this.#latest.forget(channel, key);
    if (acknowledge) return (await this.request(publication)).position;
    if (this.#end !== undefined) throw new ClosedError(this.#end);
    if (key === undefined) {
      await this.#commands.announce(publication);
    } else {
      this.#latest.put({ ...publication, id: 0 });
      this.#uplink.schedule();
    }
    return undefined;
  }

  readonly request: Commands["request"] = (command) =>
    this.#end === undefined
      ? this.#commands.request(command)
      : Promise.reject(new ClosedError(this.#end));

  // What subscriptions ask for.

  get serverTimeMs(): number | undefined {
    return this.#uplink.serverTimeMs;
  }

  reportAge(channel: string, ageMs: number): void {
    if (this.#uplink.open) this.#uplink.send({ type: "age", channel, ageMs });
  }

  trouble(error: Error): void {
    this.#events.emit("error", error);
  }

  readonly command: SubscriptionHost["command"] = (command) => this.#commands.begin(command);

  remove(subscription: ChannelSubscription): void {
    const { channel } = subscription;
    if (this.#subscriptions.get(channel) === subscription) this.#subscriptions.delete(channel);
  }

  // What the uplink says and asks for.

  refresh(token: string): Promise<{ readonly expiresInMs?: number }> {
    return this.#commands.request({ type: "refresh", token });
  }

  nextId(): number {
    return this.#commands.nextId();
  }

  positions(): readonly ChannelPosition[] {
    const positions: ChannelPosition[] = [];
    for (const [channel, { resumePosition }] of this.#subscriptions) {
      if (resumePosition !== undefined) positions.push({ channel, ...resumePosition });
    }
    return positions;
  }

  opened(resumed: boolean): void {
    this.#commands.open(resumed);
    for (const subscription of this.#subscriptions.values()) subscription.connected(resumed);
    this.#resolveReady();
  }

  receive(message: ServerMessage): void {
    switch (message.type) {
      case "publication":
        return this.#subscriptions.get(message.channel)?.publication(message);
      case "gap":
        return this.#subscriptions.get(message.channel)?.gap(message);
      case "join":
      case "leave":
        return this.#subscriptions.get(message.channel)?.presence(message);
      case "subscribed":
        return this.#subscribed(message);
      case "unsubscribed":
        if (message.id === 0) return this.#subscriptions.get(message.channel)?.end(message);
        return this.#commands.settle(message);
      case "tracked":
      case "published":
      case "members":
      case "history":
      case "result":
      case "refreshed":
      case "error":
        return this.#commands.settle(message);
    }
  }

  fill(link: Link): void {
    this.#latest.flush(link, (error) => this.#events.emit("error", error));
  }

  interrupted(): void {
    this.#commands.interrupt();
    this.#latest.interrupt();
    for (const subscription of this.#subscriptions.values()) subscription.interrupted();
  }

  ended(info: CloseInfo): void {
    this.#end = info;
    const error = new ClosedError(info);
    this.#commands.fail(error);
    this.#latest.clear();
    for (const subscription of this.#subscriptions.values()) subscription.end(info, error);
    this.#rejectReady(error);
    this.#resolveClosed(info);
    this.#events.emit("close", info);
  }

  #subscribed(message: Extract<ServerMessage, { type: "subscribed" }>): void {
    const { id, channel } = message;
    this.#commands.settle(message);
    const subscription = this.#subscriptions.get(channel);
    if (subscription !== undefined) return subscription.subscribed(message);
    // Ended here while the session had lost its transport.
    if (id === 0) this.#commands.begin({ type: "unsubscribe", channel }).reply.catch(() => {});
  }
}
