import { decodeVarint } from "../varint.ts";
import { messageTooLarge } from "./protocol_error.ts";

/**
 * Cuts a stream of bytes into the frames of the binary dialect: push a chunk, then pop frames
 * until there are none.
 *
 * A frame that came whole is a view of its chunk, valid until the chunk's owner reuses it. What
 * is left of a chunk after the last whole frame is copied, so that the chunk may then be reused.
 * Never more than one frame of `maxFrameBytes` is held beside the chunk last pushed, and no memory
 * while no frame is incomplete.
 */
export class Framer {
  readonly #maxFrameBytes: number;
  #bytes: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  /** Whether `#bytes` was made here and can be written to. */
  #owned = false;

  /** Frames of more than `maxFrameBytes`, not counting their length, are refused. */
  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** How many bytes of an incomplete frame are held. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    const pending = this.pendingBytes;
    if (!this.#owned || this.#end + chunk.length > this.#bytes.length) {
      // Doubling keeps a frame that comes byte by byte from being copied once per byte.
      const grown = new Uint8Array(Math.max(2 * pending, pending + chunk.length));
      grown.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = grown;
      this.#start = 0;
      this.#end = pending;
      this.#owned = true;
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next whole frame without its length, or `undefined` until more is pushed.
   *
   * @throws {ProtocolError} With `MESSAGE_TOO_LARGE` as soon as a frame says that it is over
   * `maxFrameBytes`.
   */
  next(): Uint8Array | undefined {
    const bytes = this.#end === this.#bytes.length
      ? this.#bytes
      : this.#bytes.subarray(0, this.#end);
    const length = decodeVarint(bytes, this.#start);
    if (length !== undefined) {
      if (length.value > this.#maxFrameBytes) {
        throw messageTooLarge(this.#maxFrameBytes, length.value);
      }
      const end = length.next + length.value;
      if (end <= this.#end) {
        this.#start = end;
        return bytes.subarray(length.next, end);
      }
    }
    this.#hold();
    return undefined;
  }

  #hold(): void {
    if (this.#start === this.#end) {
      this.#bytes = NOTHING;
      this.#start = 0;
      this.#end = 0;
    } else if (!this.#owned) {
      this.#bytes = this.#bytes.slice(this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      this.#owned = true;
    }
  }
}

const NOTHING = new Uint8Array(0);
