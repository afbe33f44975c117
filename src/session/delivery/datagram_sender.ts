import { encodeServerMessage } from "../../protocol/binary_server.ts";
import type { EncodedMessage } from "../../protocol/encoded_message.ts";
import { MARK_WINDOW, type Seen } from "../../protocol/message.ts";
import type { Transport } from "../../transport/transport.ts";
import type { LatestQueue } from "./latest_queue.ts";

/** What one datagram carries: in each list a place is one value. */
interface Cargo {
  readonly queues: LatestQueue[];
  readonly keys: string[];
  readonly messages: EncodedMessage[];
}

/**
 * Sends the live values of one session's `latest` subscriptions: as many in each datagram as fit,
 * and each datagram with a number in front. The client tells which numbers came (`Seen`).
 *
 * - What came is at no risk any more, and is not sent again when its key goes quiet.
 * - What did not come while three later ones did is lost (RFC 9002 §6.1.1 takes three as well). A
 *   value of it that is still the newest sent of its key goes again, reliably; others are stale.
 * - What nobody tells of is sent again, reliably, when its key goes quiet.
 */
export class DatagramSender {
  readonly #transport: Transport;
  /** The number of the last mark. */
  #number = 0;
  /** What is under way, by number, the oldest first. */
  readonly #underWay = new Map<number, Cargo>();
  /** Who waits for a mark on the control lane: each `latest` subscription for one at most. */
  readonly #expected = new Map<number, LatestQueue>();
  #next = newCargo();
  #nextBytes = 0;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The number for a mark on the control lane; `queue` is told when the client has it. */
  expectMark(queue: LatestQueue): number {
    this.#expected.set(++this.#number, queue);
    return this.#number;
  }

  /** Nobody waits for this mark any more. */
  forgetMark(number: number): void {
    this.#expected.delete(number);
  }

  /** Adds a value; what was added before is sent if this one finds no room beside it. */
  add(queue: LatestQueue, key: string, message: EncodedMessage): void {
    const { byteLength } = message.bytes("binary");
    const room = this.#transport.maxDatagramSize - MAX_MARK_BYTES;
    if (this.#nextBytes > 0 && this.#nextBytes + byteLength > room) this.flush();
    if (byteLength > room) return queue.oversize(key, message);
    this.#next.queues.push(queue);
    this.#next.keys.push(key);
    this.#next.messages.push(message);
    this.#nextBytes += byteLength;
  }

  /** Sends what was added. */
  flush(): void {
    const cargo = this.#next;
    if (cargo.keys.length === 0) return;
    this.#next = newCargo();
    this.#nextBytes = 0;
    const number = ++this.#number;
    const mark = encodeServerMessage({ type: "mark", number });
    if (!this.#transport.sendDatagram(cargo.messages, mark)) {
      // Too many wait already.
      for (let at = 0; at < cargo.keys.length; at++) {
        cargo.queues[at]!.pushReliable(cargo.keys[at]!, cargo.messages[at]!);
      }
      return;
    }
    this.#underWay.set(number, cargo);
    for (let at = 0; at < cargo.keys.length; at++) cargo.queues[at]!.sent(cargo.keys[at]!, number);
    // A client that tells nothing: its values are sent again when their keys go quiet.
    if (this.#underWay.size > MAX_UNDER_WAY) this.#underWay.delete(firstOf(this.#underWay));
  }

  /** Takes the client's word of what has come. */
  seen({ newest, missing }: Seen): void {
    // Nobody can have seen what was not sent.
    if (newest > this.#number) return;
    const oldest = newest - MARK_WINDOW;
    const overtaken: [number, LatestQueue][] = [];
    for (const [number, queue] of this.#expected) {
      if (number > newest) break;
      if (number > oldest && missing.includes(number)) continue;
      this.#expected.delete(number);
      if (number > oldest) queue.reached(number);
      else overtaken.push([number, queue]);
    }
    for (const [number, queue] of overtaken) queue.overtaken(number);
    for (const [number, cargo] of this.#underWay) {
      if (number > newest) break;
      const lost = missing.includes(number);
      if (lost && newest - number < REORDERED) continue;
      this.#underWay.delete(number);
      for (let at = 0; at < cargo.keys.length; at++) {
        if (lost) cargo.queues[at]!.lost(cargo.keys[at]!, number, cargo.messages[at]!);
        // What is older than the client remembers is told by nobody.
        else if (number > oldest) cargo.queues[at]!.arrived(cargo.keys[at]!, number);
      }
    }
  }
}

function newCargo(): Cargo {
  return { queues: [], keys: [], messages: [] };
}

/** A length, a type and a varint of eight bytes. */
const MAX_MARK_BYTES = 10;

/** So many later datagrams have come: this one has not only been overtaken. */
const REORDERED = 3;

/** Two round trips of 500 ms at 60 datagrams a second, and as much again. */
const MAX_UNDER_WAY = 128;

function firstOf(map: ReadonlyMap<number, unknown>): number {
  return map.keys().next().value!;
}
