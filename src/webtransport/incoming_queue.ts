/**
 * What the peer has sent and the app has not read: a bounded queue, and a `ReadableStream` of it
 * that is made only if the app asks, since most sessions use few of theirs.
 */
export class IncomingQueue<T, View = T> {
  readonly #limit: number;
  readonly #view: (item: T) => View;
  #items: T[] = [];
  #readable: ReadableStream<View> | undefined;
  #controller: ReadableStreamDefaultController<View> | undefined;
  /** The app awaits an item that is not there. */
  #wanted = false;
  #state: "open" | "cancelled" | "closed" | "failed" = "open";
  #error: unknown;

  /**
   * @param limit The most items that wait.
   * @param view Makes of an item what the readable gives.
   */
  constructor(limit: number, view: (item: T) => View) {
    this.#limit = limit;
    this.#view = view;
  }

  /** The items in order. It ends with {@linkcode close} or {@linkcode fail}. */
  get readable(): ReadableStream<View> {
    return this.#readable ??= new ReadableStream<View>({
      start: (controller) => {
        this.#controller = controller;
        this.#end();
      },
      pull: (controller) => {
        const item = this.#items.shift();
        if (item === undefined) this.#wanted = true;
        else controller.enqueue(this.#view(item));
      },
      cancel: () => {
        this.#state = "cancelled";
        this.#items = [];
      },
    }, { highWaterMark: 0 });
  }

  /**
   * Adds an item. Returns what it displaced: the oldest item at the limit, or `item` itself if
   * nobody will read it; `undefined` if all is kept.
   */
  push(item: T): T | undefined {
    if (this.#state !== "open") return item;
    if (this.#wanted) {
      this.#wanted = false;
      this.#controller!.enqueue(this.#view(item));
      return undefined;
    }
    this.#items.push(item);
    return this.#items.length > this.#limit ? this.#items.shift() : undefined;
  }

  /** Takes all items that wait. */
  drain(): T[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** Ends the readable; what waits is gone with the session. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#end();
  }

  /** Ends the readable with an error. */
  fail(error: unknown): void {
    if (this.#state !== "open") return;
    this.#state = "failed";
    this.#error = error;
    this.#end();
  }

  #end(): void {
    if (this.#state === "closed") this.#controller?.close();
    else if (this.#state === "failed") this.#controller?.error(this.#error);
    else return;
    this.#items = [];
  }
}
