import type { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type { Position } from "../protocol/message.ts";
import type { NewPublication, Retention } from "./broker.ts";
import type { ChannelKeys } from "./redis_keys.ts";
import { encodeBody } from "./redis_message.ts";
import type { RedisRequests } from "./redis_requests.ts";
import type { RedisServer } from "./redis_server.ts";

/** Where publications of a channel go. */
export interface PublicationPlace {
  readonly server: RedisServer;
  readonly keys: ChannelKeys;
  /** What every script that writes positions begins with. */
  readonly opening: () => readonly (string | number)[];
}

/**
 * Gives publications to Redis: those of one channel in one turn of the event loop by one script, for
 * a script costs more than what it does for each. They keep their order, and are kept or refused
 * together.
 */
export class RedisPublisher {
  readonly #requests: RedisRequests;
  /** By channel of Redis, what this turn has brought. */
  #batches = new Map<string, Batch>();
  #bytes = 0;

  constructor(requests: RedisRequests) {
    this.#requests = requests;
  }

  /** @throws {CommandError} With 503 if too much waits for Redis, or it does not answer in time. */
  publish(
    place: PublicationPlace,
    publication: NewPublication,
    retention: Retention,
  ): Promise<Position> {
    const { key, publisher, once } = publication;
    const body = encodeBody(publication);
    this.#requests.admit(this.#bytes + body.byteLength);
    const { promise, resolve, reject } = Promise.withResolvers<Position>();
    const batch = this.#batchOf(place, retention, retention.latest && key !== undefined);
    batch.bytes += body.byteLength;
    this.#bytes += body.byteLength;
    batch.waiting.push({ resolve, reject });
    if (once === undefined || publisher === undefined) batch.what.push(body, key ?? "", "");
    else {
      batch.what.push(body, key ?? "", `${publisher} ${once.id}`);
      batch.againWithinMs = Math.max(batch.againWithinMs, once.withinMs);
    }
    return promise;
  }

  #batchOf(place: PublicationPlace, retention: Retention, latest: boolean): Batch {
    const name = place.keys.channel;
    const open = this.#batches.get(name);
    if (open !== undefined) {
      const isFull = open.bytes >= MAX_BATCH_BYTES || open.waiting.length >= MAX_BATCH;
      if (open.latest === latest && !isFull) return open;
      this.#batches.delete(name);
      this.#send(open);
    }
    if (this.#batches.size === 0) setImmediate(this.#flush);
    const batch = { place, retention, latest, bytes: 0, againWithinMs: 0, what: [], waiting: [] };
    this.#batches.set(name, batch);
    return batch;
  }

  readonly #flush = (): void => {
    const batches = this.#batches;
    this.#batches = new Map();
    for (const batch of batches.values()) this.#send(batch);
  };

  #send({ place, retention, latest, bytes, againWithinMs, what, waiting }: Batch): void {
    const { server, keys, opening } = place;
    this.#bytes -= bytes;
    const sent = server.scripts.slipPublish(
      keys.meta,
      latest ? keys.latest : keys.history,
      keys.order,
      keys.channel,
      ...opening(),
      server.sharded ? "SPUBLISH" : "PUBLISH",
      latest ? 1 : 0,
      latest ? retention.maxKeys : retention.historySize,
      Math.ceil(latest ? retention.keyTtlMs : retention.historyTtlMs),
      Math.ceil(againWithinMs),
      ...what,
    );
    this.#requests.answer(sent, bytes).then(([epoch, run, ...offsets]) => {
      server.learnRun(keys.channel, run);
      for (const [at, { resolve }] of waiting.entries()) resolve({ epoch, offset: offsets[at]! });
    }, (error) => {
      for (const { reject } of waiting) reject(error);
    });
  }
}

interface Batch {
  readonly place: PublicationPlace;
  readonly retention: Retention;
  /** Whether each is the newest of its key, and not one more of a history. */
  readonly latest: boolean;
  bytes: number;
  /** How long one may come again, in milliseconds; 0 if none may. */
  againWithinMs: number;
  /** Three for each: body, key, and who may send it again. */
  readonly what: (Buffer | string)[];
  readonly waiting: {
    readonly resolve: (position: Position) => void;
    readonly reject: (error: unknown) => void;
  }[];
}

/** A millisecond of Redis, in which it does nothing else. */
const MAX_BATCH = 128;

/** Subscribers get it as one message. */
const MAX_BATCH_BYTES = 262_144;
