import type { Position, Publication } from "../protocol/message.ts";
import type { HistoryPage, NewPublication, Retention } from "./broker.ts";

/**
 * What one channel keeps in memory: its offsets, and either its newest publications or the newest
 * of each key. Time is given, never read.
 */
export class MemoryChannel {
  readonly name: string;
  readonly epoch: string;
  /** How many nodes are subscribed. */
  subscribers = 0;
  /** How many bytes the kept publications take. */
  bytes = 0;
  #retention: Retention;
  /** Offset of the newest publication; 0 before the first. */
  #offset = 0;
  #touchedMs: number;
  /** Publications in offset order; those before `#head` are gone. */
  #kept: (Kept | undefined)[] = [];
  #head = 0;
  /** The newest publication of each key, in offset order. */
  readonly #keys = new Map<string, Kept>();

  constructor(name: string, epoch: string, retention: Retention, nowMs: number) {
    this.name = name;
    this.epoch = epoch;
    this.#retention = retention;
    this.#touchedMs = nowMs;
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.#offset };
  }

  /** Notes that the channel is in use until now, and what it is to keep. */
  touch(nowMs: number, retention: Retention = this.#retention): void {
    this.#retention = retention;
    this.#touchedMs = nowMs;
  }

  /** Gives the publication its offset and keeps it; `time` is in milliseconds since 1970. */
  append(publication: NewPublication, time: number, nowMs: number): Publication {
    const { channel, key, removed, publisher, data } = publication;
    const taken: Publication = {
      channel,
      offset: ++this.#offset,
      time,
      ...(key !== undefined && { key }),
      ...(removed && { removed }),
      ...(publisher !== undefined && { publisher }),
      data,
    };
    const kept: Kept = {
      publication: taken,
      bytes: PUBLICATION_BYTES + data.bytes.byteLength + (key?.length ?? 0),
      atMs: nowMs,
    };
    this.#touchedMs = nowMs;
    if (this.#retention.latest && key !== undefined) this.#keepNewest(key, kept);
    else if (this.#retention.historySize > 0) this.#keep(kept);
    return taken;
  }

  /** Forgets the oldest publication that is kept; false if there is none. */
  forgetOldest(): boolean {
    for (const key of this.#keys.keys()) {
      this.#forgetKey(key);
      return true;
    }
    return this.#forgetHead();
  }

  /** Forgets what has outlived the retention. */
  expire(nowMs: number): void {
    const { historyTtlMs, keyTtlMs } = this.#retention;
    for (let oldest = this.#kept[this.#head]; oldest; oldest = this.#kept[this.#head]) {
      if (oldest.atMs + historyTtlMs > nowMs) break;
      this.#forgetHead();
    }
    for (const [key, kept] of this.#keys) {
      if (kept.atMs + keyTtlMs > nowMs) break;
      this.#forgetKey(key);
    }
  }

  /** Whether nothing is left that a later subscriber could recover. */
  isForgettable(nowMs: number): boolean {
    const { latest, historyTtlMs, keyTtlMs } = this.#retention;
    return this.subscribers === 0 && this.bytes === 0 &&
      this.#touchedMs + (latest ? keyTtlMs : historyTtlMs) <= nowMs;
  }

  history(since: Position | undefined, limit: number): HistoryPage {
    const { position } = this;
    const first = this.#kept[this.#head]?.publication.offset ?? this.#offset + 1;
    if (since === undefined) {
      const from = Math.max(first, this.#offset + 1 - limit);
      return { publications: this.#range(from, limit), position, complete: true };
    }
    // A place in another history says nothing about this one: all of it is new.
    const sameHistory = since.epoch === this.epoch && since.offset <= this.#offset;
    const from = sameHistory ? since.offset + 1 : 1;
    return {
      publications: this.#range(Math.max(from, first), limit),
      position,
      complete: sameHistory && from >= first,
    };
  }

  latest(): HistoryPage {
    const publications = Array.from(this.#keys.values(), (kept) => kept.publication);
    return { publications, position: this.position, complete: true };
  }

  #range(from: number, limit: number): Publication[] {
    const page: Publication[] = [];
    const end = Math.min(this.#offset + 1, from + limit);
    const head = this.#kept[this.#head];
    if (head === undefined) return page;
    const shift = this.#head - head.publication.offset;
    for (let offset = from; offset < end; offset++) {
      page.push(this.#kept[offset + shift]!.publication);
    }
    return page;
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    this.bytes += kept.bytes;
    while (this.#kept.length - this.#head > this.#retention.historySize) this.#forgetHead();
  }

  #keepNewest(key: string, kept: Kept): void {
    // Removed first, so that the map stays in offset order.
    this.#forgetKey(key);
    this.#keys.set(key, kept);
    this.bytes += kept.bytes;
    if (this.#keys.size > this.#retention.maxKeys) this.forgetOldest();
  }

  #forgetKey(key: string): void {
    const kept = this.#keys.get(key);
    if (kept === undefined) return;
    this.#keys.delete(key);
    this.bytes -= kept.bytes;
  }

  #forgetHead(): boolean {
    const kept = this.#kept[this.#head];
    if (kept === undefined) return false;
    this.bytes -= kept.bytes;
    this.#kept[this.#head++] = undefined;
    // Half of the array at once, so that forgetting one costs constant time on average.
    if (this.#head * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head);
      this.#head = 0;
    }
    return true;
  }
}

interface Kept {
  readonly publication: Publication;
  readonly bytes: number;
  readonly atMs: number;
}

/** What a kept publication takes beside its payload and key: a few small objects in V8. */
const PUBLICATION_BYTES = 200;
