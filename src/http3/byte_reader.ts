import { decodeVarint } from "../varint.ts";

const EMPTY = new Uint8Array(0);

/**
 * The unread bytes of a stream that arrives in chunks of any size: push chunks, read varints and
 * views.
 *
 * - Chunks are not copied. What {@linkcode ByteReader.take} returns is a view of the chunk pushed.
 * - Only the start of a varint that is not whole yet is kept beyond the chunk, as a copy: at most
 *   7 bytes, provided that all that can be read is read before the next push. The chunk's buffer
 *   may be reused then.
 */
export class ByteReader {
  /** The number of bytes read so far. */
  position = 0;
  #chunk: Uint8Array = EMPTY;
  #offset = 0;

  /** The number of unread bytes. */
  get length(): number {
    return this.#chunk.length - this.#offset;
  }

  /** Appends `chunk` to the unread bytes. */
  push(chunk: Uint8Array): void {
    const left = this.length;
    if (left === 0) {
      this.#chunk = chunk;
    } else {
      const joined = new Uint8Array(left + chunk.length);
      joined.set(this.#chunk.subarray(this.#offset));
      joined.set(chunk, left);
      this.#chunk = joined;
    }
    this.#offset = 0;
  }

  /** Reads one varint, or nothing and `undefined` if it is not whole yet. */
  varint(): number | undefined {
    const decoded = decodeVarint(this.#chunk, this.#offset);
    if (decoded === undefined) {
      this.#chunk = this.length === 0 ? EMPTY : this.#chunk.slice(this.#offset);
      this.#offset = 0;
      return undefined;
    }
    this.position += decoded.next - this.#offset;
    this.#offset = decoded.next;
    return decoded.value;
  }

  /** Reads up to `limit` bytes: a view, empty if there is nothing unread. */
  take(limit: number): Uint8Array {
    const start = this.#offset;
    this.#offset = start + Math.min(limit, this.length);
    const view = this.#chunk.subarray(start, this.#offset);
    this.position += view.length;
    if (this.#offset === this.#chunk.length) {
      this.#chunk = EMPTY;
      this.#offset = 0;
    }
    return view;
  }
}

/**
 * One value of a known length that arrives in chunks: give it the reader until it is whole.
 *
 * A value that lies in one chunk is a view of it; any other is collected in a buffer of its own.
 */
export class ByteCollector {
  readonly #length: number;
  #buffer: Uint8Array | undefined;
  #filled = 0;

  /** @param length The length of the value in bytes; the caller has checked it against its limit. */
  constructor(length: number) {
    this.#length = length;
  }

  /** The size of the buffer that it holds, in bytes; 0 until a value turns out to be torn. */
  get bufferedBytes(): number {
    return this.#buffer?.length ?? 0;
  }

  /** Reads on from `reader`; returns the value once it is whole, until then `undefined`. */
  collect(reader: ByteReader): Uint8Array | undefined {
    if (this.#buffer === undefined) {
      if (reader.length >= this.#length) return reader.take(this.#length);
      if (reader.length === 0) return undefined;
      this.#buffer = new Uint8Array(this.#length);
    }
    const part = reader.take(this.#length - this.#filled);
    this.#buffer.set(part, this.#filled);
    this.#filled += part.length;
    return this.#filled === this.#length ? this.#buffer : undefined;
  }
}
