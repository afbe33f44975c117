import type { Clock } from "../policy/clock.ts";
import type { Random } from "../policy/random.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Position, Publication } from "../protocol/message.ts";
import type { NewPublication, Retention } from "./broker.ts";
import { MemoryChannel } from "./memory_channel.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Makes epochs, which are names and no secrets. */
  readonly random: Random;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /**
   * Channels, in count. At the limit the channel without subscribers that is longest untouched is
   * forgotten; if all have subscribers, a new one is refused with 503.
   * @default 100000
   */
  readonly maxChannels?: number;
  /**
   * What the publications that are kept may take, in bytes. At the limit channels without
   * subscribers are forgotten, the longest untouched first, then the oldest publications of the
   * channel that is published to.
   * @default 268435456
   */
  readonly maxBytes?: number;
}

/** The channels of a {@linkcode MemoryBroker}, or of several, as if each were a node. */
export class MemoryStore {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #now: () => number;
  readonly #maxChannels: number;
  readonly #maxBytes: number;
  readonly #channels = new Map<string, MemoryChannel>();
  /** Channels without subscribers, the longest untouched first. */
  readonly #idle = new Set<MemoryChannel>();
  readonly #listeners = new Set<(publication: Publication) => void>();
  readonly #undelivered: Publication[] = [];
  #delivering = false;
  #bytes = 0;
  #sweep: ReturnType<Clock["setTimeout"]> | undefined;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#now = options.now;
    this.#maxChannels = options.maxChannels ?? 100_000;
    this.#maxBytes = options.maxBytes ?? 2 ** 28;
  }

  /** How many channels there are. */
  get size(): number {
    return this.#channels.size;
  }

  /** How many bytes all kept publications take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins to tell `listener` of every publication. */
  attach(listener: (publication: Publication) => void): void {
    this.#listeners.add(listener);
  }

  /** Ends that; with the last listener the sweep ends too. */
  detach(listener: (publication: Publication) => void): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0 || this.#sweep === undefined) return;
    this.#clock.clearTimeout(this.#sweep);
    this.#sweep = undefined;
  }

  /** Counts a node that subscribes, so that the channel is not forgotten. */
  retain(name: string, retention: Retention): void {
    const channel = this.open(name, retention);
    channel.subscribers++;
    this.#idle.delete(channel);
  }

  /** Counts a node that subscribes no longer. */
  release(name: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined || channel.subscribers === 0) return;
    channel.touch(this.#clock.now());
    if (--channel.subscribers === 0) this.#idle.add(channel);
  }

  /**
   * The channel, made if it is not there, with what has expired already forgotten.
   *
   * @throws {CommandError} With 503 if there are too many.
   */
  open(name: string, retention: Retention): MemoryChannel {
    const nowMs = this.#clock.now();
    let channel = this.#channels.get(name);
    if (channel !== undefined) {
      this.#expire(channel, nowMs);
      if (channel.isForgettable(nowMs)) {
        this.#forget(channel);
        channel = undefined;
      }
    }
    channel ??= this.#create(name, retention, nowMs);
    channel.touch(nowMs, retention);
    // Added again, so that the set stays in the order of use.
    if (this.#idle.delete(channel)) this.#idle.add(channel);
    return channel;
  }

  /**
   * Takes a publication and delivers it to all listeners. One that is published while another is
   * being delivered is delivered after it.
   */
  publish(publication: NewPublication, retention: Retention): Position {
    const channel = this.open(publication.channel, retention);
    const before = channel.bytes;
    const taken = channel.append(publication, this.#now(), this.#clock.now());
    this.#bytes += channel.bytes - before;
    if (this.#bytes > this.#maxBytes) this.#makeRoom(channel);
    this.#undelivered.push(taken);
    if (!this.#delivering) this.#deliver();
    return { epoch: channel.epoch, offset: taken.offset };
  }

  /** Forgets a channel and all that it kept: its next use begins a new epoch. */
  forget(name: string): void {
    const channel = this.#channels.get(name);
    if (channel !== undefined) this.#forget(channel);
  }

  #deliver(): void {
    this.#delivering = true;
    try {
      for (let at = 0; at < this.#undelivered.length; at++) {
        for (const listener of this.#listeners) listener(this.#undelivered[at]!);
      }
    } finally {
      this.#undelivered.length = 0;
      this.#delivering = false;
    }
  }

  #create(name: string, retention: Retention, nowMs: number): MemoryChannel {
    if (this.#channels.size >= this.#maxChannels && !this.#forgetIdle()) {
      throw new CommandError(
        ErrorCode.UNAVAILABLE,
        `All channels that the node can keep have subscribers: ${this.#channels.size}`,
      );
    }
    const epoch = Math.floor(this.#random() * 36 ** 8).toString(36).padStart(8, "0");
    const channel = new MemoryChannel(name, epoch, retention, nowMs);
    this.#channels.set(name, channel);
    this.#idle.add(channel);
    this.#sweep ??= this.#clock.setTimeout(this.#sweepAll, SWEEP_MS);
    return channel;
  }

  #makeRoom(publishedTo: MemoryChannel): void {
    while (this.#bytes > this.#maxBytes && this.#forgetIdle(publishedTo));
    while (this.#bytes > this.#maxBytes) {
      const before = publishedTo.bytes;
      if (!publishedTo.forgetOldest()) break;
      this.#bytes += publishedTo.bytes - before;
    }
  }

  /** Forgets the channel without subscribers that is longest untouched; false if there is none. */
  #forgetIdle(except?: MemoryChannel): boolean {
    for (const channel of this.#idle) {
      if (channel === except) continue;
      this.#forget(channel);
      return true;
    }
    return false;
  }

  #forget(channel: MemoryChannel): void {
    this.#channels.delete(channel.name);
    this.#idle.delete(channel);
    this.#bytes -= channel.bytes;
  }

  #expire(channel: MemoryChannel, nowMs: number): void {
    const before = channel.bytes;
    channel.expire(nowMs);
    this.#bytes += channel.bytes - before;
  }

  readonly #sweepAll = (): void => {
    const nowMs = this.#clock.now();
    for (const channel of this.#channels.values()) {
      this.#expire(channel, nowMs);
      if (channel.isForgettable(nowMs)) this.#forget(channel);
    }
    this.#sweep = this.#channels.size > 0
      ? this.#clock.setTimeout(this.#sweepAll, SWEEP_MS)
      : undefined;
  };
}

/**
 * How often channels that nobody reads are looked through: reads expire by themselves, so this
 * bounds memory only, and 100,000 channels take about 10 ms.
 */
const SWEEP_MS = 15_000;
