/**
 * The switch that makes this page a slow reader, emulated where it reads: no more than five datagrams
 * a second. Quotes come by datagrams, of which the browser keeps the newest; orders and trades have
 * streams of their own, which this does not touch. On WebSocket and SSE all share one stream, so
 * there is nothing that could be read slowly by itself.
 */

const PAUSE_MS = 200;

export class SlowReader {
  on = false;
  /** Quotes that were seen. */
  seen = 0;
  /** Quotes that were made and never seen, by their numbers. */
  skipped = 0;
  #numbers = new Map();
  #before = { at: performance.now(), seen: 0, skipped: 0 };

  /** Has what the browser reads pass by here; before a client is made. */
  install() {
    const duplex = globalThis.WebTransportDatagramDuplexStream?.prototype;
    if (!duplex) return;
    const own = Object.getOwnPropertyDescriptor(duplex, "readable");
    const valves = new WeakMap();
    const valveOf = (readable) => {
      if (!valves.has(readable)) valves.set(readable, readable.pipeThrough(this.#valve()));
      return valves.get(readable);
    };
    Object.defineProperty(duplex, "readable", {
      ...own,
      get() {
        return valveOf(own.get.call(this));
      },
    });
  }

  /** Counts a quote, by the number that it has among those of its symbol. */
  count(symbol, n) {
    const before = this.#numbers.get(symbol);
    if (before !== undefined && n > before) this.skipped += n - before - 1;
    this.#numbers.set(symbol, n);
    this.seen++;
  }

  /** A symbol that is not asked for any more: what is missed of it meanwhile was not skipped. */
  forget(symbol) {
    this.#numbers.delete(symbol);
  }

  /** Quotes a second since the last call: `{ made, seen }`. */
  takeRates() {
    const at = performance.now();
    const seconds = (at - this.#before.at) / 1000;
    const seen = (this.seen - this.#before.seen) / seconds;
    const skipped = (this.skipped - this.#before.skipped) / seconds;
    this.#before = { at, seen: this.seen, skipped: this.skipped };
    return { made: seen + skipped, seen };
  }

  #valve() {
    const transform = async (chunk, controller) => {
      if (this.on) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      controller.enqueue(chunk);
    };
    return new TransformStream({ transform });
  }
}
