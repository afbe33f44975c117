import { encodeFrame } from "./frame.ts";
import { ByteCollector, ByteReader } from "./byte_reader.ts";
import { ErrorCode, Http3Error } from "./error.ts";

/** One capsule (RFC 9297 §3.2): type, length, value, as a frame has them. */
export function encodeCapsule(type: number, payload: Uint8Array): Uint8Array {
  return encodeFrame(type, payload);
}

/**
 * Reads the capsules of a stream's DATA (RFC 9297 §3.2): push chunks, and after each call
 * {@linkcode CapsuleParser.next} until it returns `undefined`.
 *
 * - Capsules of the known types come whole; it keeps at most `maxCapsuleBytes` of one.
 * - All others are skipped while they arrive, never buffered: their cost is
 *   {@linkcode CapsuleParser.skippedBytes}.
 * - A payload may be a view of the chunk pushed: use it up before the chunk's buffer is reused.
 */
export class CapsuleParser {
  /** The bytes of skipped capsules so far, with their headers. The owner sets a budget for them. */
  skippedBytes = 0;
  readonly #maxCapsuleBytes: number;
  readonly #known: ReadonlySet<number>;
  readonly #reader = new ByteReader();
  #type: number | undefined;
  #collector: ByteCollector | undefined;
  #skip = 0;

  /**
   * @param options.maxCapsuleBytes The longest payload of a known capsule, in bytes.
   * @param options.known The types that the owner understands.
   */
  constructor(options: { maxCapsuleBytes: number; known: ReadonlySet<number> }) {
    this.#maxCapsuleBytes = options.maxCapsuleBytes;
    this.#known = options.known;
  }

  /** Appends a chunk of the stream's DATA. */
  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** The bytes that it holds: what is not read yet, and the buffer of a torn payload. */
  get bufferedBytes(): number {
    return this.#reader.length + (this.#collector?.bufferedBytes ?? 0);
  }

  /**
   * The next capsule of a known type, or `undefined` when more bytes are needed.
   *
   * @throws {Http3Error} MESSAGE_ERROR of scope `"stream"` if one exceeds `maxCapsuleBytes`.
   */
  next(): { type: number; payload: Uint8Array } | undefined {
    while (true) {
      if (this.#skip > 0) {
        const skipped = this.#reader.take(this.#skip).length;
        this.skippedBytes += skipped;
        this.#skip -= skipped;
        if (this.#skip > 0) return undefined;
      } else if (this.#collector !== undefined) {
        const payload = this.#collector.collect(this.#reader);
        if (payload === undefined) return undefined;
        const type = this.#type!;
        this.#type = undefined;
        this.#collector = undefined;
        return { type, payload };
      } else if (!this.#begin()) {
        return undefined;
      }
    }
  }

  /**
   * The stream's FIN.
   *
   * @throws {Http3Error} MESSAGE_ERROR of scope `"stream"` within a capsule (RFC 9297 §3.3).
   */
  end(): void {
    const inCapsule = this.#skip > 0 || this.#collector !== undefined ||
      this.#type !== undefined || this.#reader.length > 0;
    if (inCapsule) {
      throw new Http3Error(
        ErrorCode.MESSAGE_ERROR,
        "stream",
        "A stream ended within a capsule, RFC 9297 §3.3",
      );
    }
  }

  /** Reads a capsule's header; returns whether it was whole. */
  #begin(): boolean {
    const start = this.#reader.position;
    this.#type ??= this.#reader.varint();
    if (this.#type === undefined) return false;
    const length = this.#reader.varint();
    if (!this.#known.has(this.#type)) {
      this.skippedBytes += this.#reader.position - start;
      if (length === undefined) return false;
      this.#type = undefined;
      this.#skip = length;
      return true;
    }
    if (length === undefined) return false;
    if (length > this.#maxCapsuleBytes) {
      throw new Http3Error(
        ErrorCode.MESSAGE_ERROR,
        "stream",
        `Capsule 0x${
          this.#type.toString(16)
        } must not exceed ${this.#maxCapsuleBytes} bytes: ${length}`,
      );
    }
    this.#collector = new ByteCollector(length);
    return true;
  }
}
