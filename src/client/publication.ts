import type { Payload, Publication } from "../protocol/message.ts";

/** One published value, as a subscriber gets it. */
export interface ReceivedPublication<T = unknown> {
  readonly channel: string;
  /** Its number in the channel; in a `latest` channel also the version of its key. */
  readonly offset: number;
  /** When the server took it, in milliseconds since 1970. */
  readonly time: number;
  /** The key whose newest value this is; only in `latest` channels. */
  readonly key: string | undefined;
  /** The key is gone; `data` is `undefined`. */
  readonly removed: boolean;
  /** The session that published it, as in `client.session`; `undefined` if the server did. */
  readonly publisher: string | undefined;
  /**
   * What was published: a JSON value, parsed when first read, or a `Uint8Array`. The bytes too where
   * the publisher said JSON and it is none.
   */
  readonly data: T;
}

/** Reads a publication's data when it is asked for. */
export class LazyPublication<T> implements ReceivedPublication<T> {
  readonly #publication: Publication;
  #data: T | undefined;

  constructor(publication: Publication) {
    this.#publication = publication;
  }

  get channel(): string {
    return this.#publication.channel;
  }

  get offset(): number {
    return this.#publication.offset;
  }

  get time(): number {
    return this.#publication.time;
  }

  get key(): string | undefined {
    return this.#publication.key;
  }

  get removed(): boolean {
    return this.#publication.removed === true;
  }

  get publisher(): string | undefined {
    return this.#publication.publisher;
  }

  get data(): T {
    if (!this.removed) this.#data ??= valueOf(this.#publication.data) as T;
    return this.#data as T;
  }
}

/** The JSON value or the bytes of a payload; no bytes of JSON are `undefined`. */
export function valueOf({ format, bytes }: Payload): unknown {
  if (format === "json") {
    if (bytes.length === 0) return undefined;
    try {
      return JSON.parse(decoder.decode(bytes));
    } catch {
      // Another client says so, and the server does not look. What the JSON dialect makes of it is
      // bytes too; an error would be thrown at every subscriber.
    }
  }
  return bytes;
}

/**
 * `value` as it travels: bytes as they are, anything else as JSON.
 *
 * @throws {TypeError} If JSON has no text for it.
 */
export function payloadOf(value: unknown): Payload {
  // Copied: it may wait for the server, and its owner may reuse it.
  if (value instanceof Uint8Array) return { format: "binary", bytes: value.slice() };
  const text = JSON.stringify(value);
  if (text === undefined) {
    throw new TypeError(`A JSON value or a Uint8Array was expected: ${typeof value}`);
  }
  return { format: "json", bytes: encoder.encode(text) };
}

/** What a removal carries. */
export const NO_DATA: Payload = { format: "json", bytes: new Uint8Array(0) };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
