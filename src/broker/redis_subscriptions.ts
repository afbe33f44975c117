import type { Redis } from "ioredis";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Position } from "../protocol/message.ts";
import type { BrokerSink, Retention } from "./broker.ts";
import type { ChannelKeys } from "./redis_keys.ts";
import { decodePresence, decodePublication, publicationsOf } from "./redis_message.ts";
import type { RedisPresenceEvent } from "./redis_message.ts";
import type { RedisRequests } from "./redis_requests.ts";
import type { RedisServer, RedisServerListener } from "./redis_server.ts";
import { whenReady } from "./redis_socket.ts";

/** What the subscriptions of a server need. */
export interface RedisSubscriptionsContext {
  readonly sink: BrokerSink;
  readonly presence: (channel: string, events: readonly RedisPresenceEvent[]) => void;
  /** A socket has come. */
  readonly resumed: () => void;
  readonly requests: RedisRequests;
  /** Asks for a channel's position, and keeps it from being forgotten. */
  readonly check: (channel: RedisSubscription) => Promise<Position>;
  readonly onError: (error: unknown) => void;
}

/** A channel that this node listens to. */
export interface RedisSubscription {
  readonly channel: string;
  readonly keys: ChannelKeys;
  readonly retention: Retention;
}

/**
 * The channels of one server that this node listens to.
 *
 * 1. A channel is subscribed to on the socket that hears of it.
 * 2. What comes is passed on in offset order, each once.
 * 3. A socket that has come back has forgotten everything: its channels are subscribed to again, in
 *    slices, and each is checked: Redis is asked for the position, and where it is past what was
 *    passed on, the sink is told that it was interrupted.
 * 4. The same check goes over all channels from time to time, for losses that nothing told of.
 */
export class RedisSubscriptions implements RedisServerListener {
  readonly #server: RedisServer;
  readonly #context: RedisSubscriptionsContext;
  /** By the channel of Redis; bounded by the hub's channels. */
  readonly #entries = new Map<string, Entry>();
  /** Channels that Redis did not answer for when it was asked; bounded by the entries. */
  readonly #unsure = new Set<string>();
  #closed = false;

  constructor(server: RedisServer, context: RedisSubscriptionsContext) {
    this.#server = server;
    this.#context = context;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @throws {CommandError} With 503 if Redis does not answer in time. */
  subscribe(subscription: RedisSubscription): Promise<void> {
    const name = subscription.keys.channel;
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { subscription, socket: undefined, subscribed: undefined, position: undefined };
      this.#entries.set(name, entry);
      entry.subscribed = this.#subscribe(name, entry);
    }
    return entry.subscribed!;
  }

  unsubscribe(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    if (entry.socket !== undefined) this.#send(entry.socket, "unsubscribe", [name]).catch(ignore);
  }

  /** Takes the position that a new channel of the hub begins from. */
  begin(name: string, position: Position): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) entry.position ??= position;
  }

  message(name: string, message: Uint8Array): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    try {
      const { channel } = entry.subscription;
      const publications = publicationsOf(message);
      if (publications === undefined) this.#context.presence(channel, decodePresence(message));
      else for (const each of publications) this.#publication(entry, each);
    } catch (error) {
      this.#context.onError(error);
    }
  }

  ready(socket: Redis): void {
    const lost = this.#select((name, entry) =>
      entry.socket === socket ||
      entry.socket === undefined && this.#server.socketOf(name) === socket
    );
    this.#resume(socket, lost).catch(this.#context.onError);
    this.#context.resumed();
  }

  commandsReady(): void {
    this.checkUnsure().catch(this.#context.onError);
  }

  moved(): void {
    const moved = this.#select((name, entry) =>
      entry.socket !== undefined && this.#server.socketOf(name) !== entry.socket
    );
    const bySocket = Map.groupBy(moved, (name) => this.#server.socketOf(name));
    for (const [socket, names] of bySocket) {
      if (socket === undefined) continue;
      for (const name of names) {
        const entry = this.#entries.get(name)!;
        this.#send(entry.socket!, "unsubscribe", [name]).catch(ignore);
        entry.socket = socket;
      }
      // One that is still on its way says so itself, by `ready`.
      if (socket.status === "ready") this.#resume(socket, names).catch(this.#context.onError);
    }
  }

  /** Asks whether anything was missed, for all channels, in slices. */
  async checkAll(): Promise<void> {
    await this.checkUnsure();
    const names = [...this.#entries.keys()];
    for (let at = 0; at < names.length && !this.#closed; at += SLICE) {
      await this.#check(names.slice(at, at + SLICE));
    }
  }

  /** Subscribes again to the channels that Redis did not answer for, and checks them. */
  async checkUnsure(): Promise<void> {
    const unsure = [...this.#unsure].filter((name) => this.#entries.has(name));
    this.#unsure.clear();
    const bySocket = Map.groupBy(unsure, (name) => this.#server.socketOf(name));
    for (const [socket, names] of bySocket) {
      if (socket !== undefined) await this.#resume(socket, names);
    }
  }

  close(): void {
    this.#closed = true;
    this.#entries.clear();
    this.#unsure.clear();
  }

  #publication(entry: Entry, message: Uint8Array): void {
    const { channel } = entry.subscription;
    const { epoch, publication } = decodePublication(channel, message);
    const { offset } = publication;
    if (entry.position?.epoch === epoch) {
      if (offset <= entry.position.offset) return;
    } else if (entry.position !== undefined) {
      this.#context.sink.interrupted(channel, { epoch, offset: offset - 1 });
    }
    entry.position = { epoch, offset };
    this.#context.sink.publication(publication);
  }

  async #subscribe(name: string, entry: Entry): Promise<void> {
    try {
      await this.#context.requests.answer(this.#trySubscribe(name, entry));
    } catch (error) {
      if (this.#entries.get(name) === entry) this.unsubscribe(name);
      throw error;
    }
  }

  async #trySubscribe(name: string, entry: Entry): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const socket = this.#server.socketOf(name);
      if (socket === undefined) throw new Error("no server has the channel");
      await whenReady(socket);
      if (this.#entries.get(name) !== entry) throw unsubscribed(entry);
      entry.socket = socket;
      try {
        return await this.#send(socket, "subscribe", [name]);
      } catch (error) {
        if (attempt === 2 || !(error instanceof Error) || !/^MOVED /.test(error.message)) {
          throw error;
        }
        await this.#server.refresh();
      }
    }
  }

  /** Subscribes again to what a socket has forgotten. Once it is ready again, so is all of it. */
  async #resume(socket: Redis, names: readonly string[]): Promise<void> {
    for (let at = 0; at < names.length; at += SLICE) {
      if (this.#closed || socket.status !== "ready") return;
      const slice = names.slice(at, at + SLICE).filter((name) => this.#entries.has(name));
      for (const name of slice) this.#entries.get(name)!.socket = socket;
      try {
        await this.#context.requests.answer(this.#send(socket, "subscribe", slice));
      } catch {
        for (const name of slice) this.#unsure.add(name);
        continue;
      }
      await this.#check(slice);
    }
  }

  async #check(names: readonly string[]): Promise<void> {
    const asked = names.map((name) => [name, this.#entries.get(name)] as const);
    const answers = await Promise.allSettled(
      asked.map(([, entry]) => entry && this.#context.check(entry.subscription)),
    );
    const sockets = new Set(asked.map(([, entry]) => entry?.socket));
    const heard = new Set<Redis>();
    // What was published before Redis gave the position has come before this answer.
    await Promise.all([...sockets].map(async (socket) => {
      if (socket?.status !== "ready") return;
      try {
        await this.#context.requests.answer(socket.ping());
        heard.add(socket);
      } catch {
        // It is closed by now and will come back.
      }
    }));
    for (const [at, [name, entry]] of asked.entries()) {
      const answer = answers[at]!;
      if (entry === undefined || this.#entries.get(name) !== entry) continue;
      if (answer.status === "rejected" || !heard.has(entry.socket!)) this.#unsure.add(name);
      else this.#compare(name, entry, answer.value!);
    }
  }

  #compare(name: string, entry: Entry, position: Position): void {
    const known = entry.position;
    // Without one, the hub is about to read from where it begins.
    if (known === undefined) return;
    if (known.epoch === position.epoch && known.offset >= position.offset) return;
    entry.position = position;
    // Whatever lost the subscription: a second SUBSCRIBE is nothing to one that has it.
    this.#send(entry.socket!, "subscribe", [name]).catch(ignore);
    this.#context.sink.interrupted(entry.subscription.channel, position);
  }

  async #send(
    socket: Redis,
    command: "subscribe" | "unsubscribe",
    names: readonly string[],
  ): Promise<void> {
    if (names.length === 0 || socket.status !== "ready") return;
    if (!this.#server.sharded) {
      await socket[command](...names);
      return;
    }
    // The channels of one SSUBSCRIBE must lie in one slot.
    const sent = names.map((name) =>
      command === "subscribe" ? socket.ssubscribe(name) : socket.sunsubscribe(name)
    );
    await Promise.all(sent);
  }

  #select(matches: (name: string, entry: Entry) => boolean): string[] {
    const names: string[] = [];
    for (const [name, entry] of this.#entries) if (matches(name, entry)) names.push(name);
    return names;
  }
}

interface Entry {
  readonly subscription: RedisSubscription;
  /** Where it was subscribed to. */
  socket: Redis | undefined;
  subscribed: Promise<void> | undefined;
  /** Up to where everything was passed on, or told as interrupted. */
  position: Position | undefined;
}

/**
 * Channels that are subscribed to again, or checked, at once: a few milliseconds of Redis for each
 * node, so that a thousand nodes that come back do not wait for one another's tens of thousands.
 */
const SLICE = 256;

function unsubscribed({ subscription }: Entry): CommandError {
  return new CommandError(
    ErrorCode.UNAVAILABLE,
    `The channel was unsubscribed from meanwhile: "${subscription.channel}"`,
  );
}

function ignore(): void {}
