import { TimerEntry, type TimerWheel } from "../../policy/timer_wheel.ts";
import type { Publish } from "../../protocol/message.ts";

/** Who publishes what was held. */
export interface HeldValuesOwner {
  /** Called a step of the wheel after the owner has asked for it. */
  release(): void;
}

/**
 * Values of `latest` keys that one client has published and that may not go on yet: the newest of
 * each key, first in, first out by the time at which a key began to wait, so that none is passed
 * over for good. Bounded in bytes.
 */
export class HeldValues extends TimerEntry {
  readonly #owner: HeldValuesOwner;
  readonly #wheel: TimerWheel;
  readonly #maxBytes: number;
  readonly #values = new Map<string, Publish>();
  #bytes = 0;

  constructor(owner: HeldValuesOwner, wheel: TimerWheel, maxBytes: number) {
    super();
    this.#owner = owner;
    this.#wheel = wheel;
    this.#maxBytes = maxBytes;
  }

  /** How many wait. */
  get size(): number {
    return this.#values.size;
  }

  /**
   * Keeps `value` in place of the one of its key, if there is one. False if a value is lost by
   * that: the one before it, or itself where there is no room.
   */
  put(value: Publish): boolean {
    const id = idOf(value);
    const before = this.#values.get(id);
    const bytes = this.#bytes + bytesOf(id, value) - (before ? bytesOf(id, before) : 0);
    // An older value must not outlive a newer one, so what has no room takes it along.
    if (bytes > this.#maxBytes) {
      this.forget(value);
      return false;
    }
    this.#values.set(id, value);
    this.#bytes = bytes;
    return before === undefined;
  }

  /** Takes out the value whose key has waited longest; there must be one. */
  shift(): Publish {
    const [id, value] = this.#values.entries().next().value!;
    this.#values.delete(id);
    this.#bytes -= bytesOf(id, value);
    return value;
  }

  /** Drops the value of a key for which `newer` goes another way; whether there was one. */
  forget(newer: Publish): boolean {
    const id = idOf(newer);
    const value = this.#values.get(id);
    if (value === undefined) return false;
    this.#values.delete(id);
    this.#bytes -= bytesOf(id, value);
    return true;
  }

  /** Has the owner release what waits at the wheel's next step. */
  wait(): void {
    if (this.next === undefined) this.#wheel.schedule(this, 0);
  }

  /** Wakes nobody any more. */
  stop(): void {
    this.#wheel.cancel(this);
  }

  override onDue(): void {
    this.#owner.release();
  }
}

/** Channel names have no line breaks. */
function idOf({ channel, key }: Publish): string {
  return `${channel}\n${key}`;
}

function bytesOf(id: string, { data }: Publish): number {
  return ENTRY_BYTES + 2 * id.length + data.bytes.byteLength;
}

/** About what the objects of an entry take beside its texts and its payload. */
const ENTRY_BYTES = 256;
