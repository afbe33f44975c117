import type { EncodedMessage } from "../protocol/encoded_message.ts";
import { binaryBatch, concat } from "./batch.ts";
import type { Lane } from "./transport.ts";

/** What a lane tells its transport. */
export interface StreamLaneOwner {
  readonly highWaterBytes: number;
  /** The lane was full and has fallen to half of that. */
  onDrained(lane: StreamLane): void;
  /** The stream has taken everything that was written. */
  onEmpty(lane: StreamLane): void;
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
  #failed = false;

  constructor(owner: StreamLaneOwner) {
    this.#owner = owner;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Whether its stream has taken everything, or never will. */
  get empty(): boolean {
    return this.#bufferedBytes === 0 || this.#writer === undefined || this.#failed;
  }

  /** Gives the lane its stream; what was written before goes out now. */
  attach(writable: WritableStream<Uint8Array>): void {
    // The lane keeps it referenced: a stream that is collected ends.
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(this.#onFailed);
    this.#advance();
  }

  write(messages: readonly EncodedMessage[]): void {
    if (this.#closing || this.#failed) return;
    const bytes = binaryBatch.of(messages);
    this.#waiting.push(bytes);
    this.#bufferedBytes += bytes.length;
    if (this.#bufferedBytes >= this.#owner.highWaterBytes) this.#congested = true;
    this.#advance();
  }

  close(): void {
    if (this.#closing || this.#failed) return;
    this.#closing = true;
    this.#advance();
  }

  #advance(): void {
    if (this.#writer === undefined || this.#writingBytes > 0) return;
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      const bytes = waiting.length === 1 ? waiting[0]! : concat(waiting);
      this.#writingBytes = bytes.length;
      this.#writer.write(bytes).then(this.#onWritten, this.#onFailed);
    } else if (this.#closing) {
      this.#writer.close().then(() => this.#owner.onClosed(this), this.#onFailed);
    }
  }

  readonly #onWritten = (): void => {
    this.#bufferedBytes -= this.#writingBytes;
    this.#writingBytes = 0;
    this.#advance();
    if (this.#bufferedBytes === 0) this.#owner.onEmpty(this);
    if (!this.#congested || 2 * this.#bufferedBytes > this.#owner.highWaterBytes) return;
    this.#congested = false;
    this.#owner.onDrained(this);
  };

  readonly #onFailed = (): void => {
    if (this.#failed) return;
    this.#failed = true;
    this.#waiting = [];
    this.#owner.onFailed(this);
  };
}
