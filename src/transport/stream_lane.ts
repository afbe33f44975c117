import type { EncodedMessage } from "../protocol/encoded_message.ts";
import { concat } from "../protocol/concat.ts";
import { binaryBatch } from "./batch.ts";
import type { Lane } from "./transport.ts";

/** What a lane tells its transport. */
export interface StreamLaneOwner {
  readonly highWaterBytes: number;
  /** The lane was full and has fallen to half of that. */
  onDrained(lane: StreamLane): void;
  /** The stream has taken its FIN. */
  onClosed(lane: StreamLane): void;
  /** What was written is lost: the stream was stopped, or the session has ended. */
  onFailed(lane: StreamLane): void;
}

/**
 * A lane over a stream of its own. One write is under way at a time; what comes meanwhile leaves as
 * the next one.
 */
export class StreamLane implements Lane {
  readonly #owner: StreamLaneOwner;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #waiting: Uint8Array[] = [];
  #bufferedBytes = 0;
  #writingBytes = 0;
  #congested = false;
  #closing = false;
  /** Its FIN was taken, or its stream was stopped. */
  #ended = false;

  constructor(owner: StreamLaneOwner) {
    this.#owner = owner;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Whether it has its stream. */
  get attached(): boolean {
    return this.#writer !== undefined;
  }

  /** Whether nothing more can leave: its stream has ended, or never began. */
  get ended(): boolean {
    return this.#ended || this.#writer === undefined;
  }

  /** Gives the lane its stream; what was written before goes out now. */
  attach(writable: WritableStream<Uint8Array>): void {
    // The lane keeps it referenced: a stream that is collected ends.
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(this.#onFailed);
    this.#advance();
  }

  write(messages: readonly EncodedMessage[]): void {
    if (this.#closing || this.#ended) return;
    const bytes = binaryBatch.of(messages);
    this.#waiting.push(bytes);
    this.#bufferedBytes += bytes.length;
    if (this.#bufferedBytes >= this.#owner.highWaterBytes) this.#congested = true;
    this.#advance();
  }

  close(): void {
    if (this.#closing || this.#ended) return;
    this.#closing = true;
    this.#advance();
  }

  #advance(): void {
    if (this.#writer === undefined || this.#writingBytes > 0) return;
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      const bytes = concat(waiting);
      this.#writingBytes = bytes.length;
      this.#writer.write(bytes).then(this.#onWritten, this.#onFailed);
    } else if (this.#closing) {
      this.#writer.close().then(this.#onClosed, this.#onFailed);
    }
  }

  readonly #onWritten = (): void => {
    this.#bufferedBytes -= this.#writingBytes;
    this.#writingBytes = 0;
    this.#advance();
    if (!this.#congested || 2 * this.#bufferedBytes > this.#owner.highWaterBytes) return;
    this.#congested = false;
    this.#owner.onDrained(this);
  };

  readonly #onClosed = (): void => {
    this.#ended = true;
    this.#owner.onClosed(this);
  };

  readonly #onFailed = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = [];
    this.#owner.onFailed(this);
  };
}
