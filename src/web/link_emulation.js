/**
 * A bad link, emulated in the page: what comes in is delayed, and dropped as the network would.
 *
 * - A datagram that is lost is gone. Its key's next value comes all the same; if none does, the
 *   server sends the last one again once the key is quiet.
 * - On a stream a lost packet is sent again after a round trip, and everything behind it waits until
 *   it is there: head-of-line blocking, as on TCP.
 *
 * Messages that come in together share a packet, and its fate, over either.
 */

/** The settle time of the server: a quiet key is sent again after it. */
const SETTLE_MS = 250;
/** A sender notices the hole by what arrives after it: with 30 updates a second that is soon. */
const NOTICE_MS = 34;
/** RFC 6298 §2.4 asks for a second at least; Linux waits this long for a lost retransmission. */
const TIMEOUT_MS = 200;
/** About what a packet of 1200 bytes holds of the arena's updates. */
const MESSAGES_A_PACKET = 4;

/** @typedef {{ lossShare: number, roundTripMs: number }} Weather */

export class EmulatedLink {
  #weather;
  #packet = { at: -Infinity, messages: 0, lost: false };
  /** Until when everything on the stream waits. */
  #heldUntil = 0;
  /** The newest message of each key: what is lost may be the last one. */
  #newest = new Map();

  /** @param {Weather} weather Read anew for each message, so that it may change. */
  constructor(weather) {
    this.#weather = weather;
  }

  /** Takes a datagram; `apply` is called when it would arrive, or never. */
  datagram(key, apply) {
    const { roundTripMs, lossShare } = this.#weather;
    if (roundTripMs + lossShare === 0) return apply();
    const message = {};
    this.#newest.set(key, message);
    if (!this.#isLost()) return void setTimeout(apply, roundTripMs / 2);
    setTimeout(() => {
      if (this.#newest.get(key) === message) apply();
    }, SETTLE_MS + roundTripMs);
  }

  /** Takes what comes in on a stream; `apply` is called when it would arrive, in order. */
  stream(apply) {
    const { roundTripMs, lossShare } = this.#weather;
    const now = performance.now();
    if (roundTripMs + lossShare === 0 && now >= this.#heldUntil) return apply();
    let due = now + roundTripMs / 2;
    if (this.#isLost()) {
      due += roundTripMs + NOTICE_MS;
      // The retransmission may be lost as well.
      while (Math.random() < lossShare) due += Math.max(TIMEOUT_MS, 2 * roundTripMs);
    }
    this.#heldUntil = Math.max(due, this.#heldUntil);
    setTimeout(apply, this.#heldUntil - now);
  }

  #isLost() {
    const at = performance.now();
    const packet = this.#packet;
    if (at - packet.at > 2 || packet.messages === MESSAGES_A_PACKET) {
      this.#packet = { at, messages: 1, lost: Math.random() < this.#weather.lossShare };
      return this.#packet.lost;
    }
    packet.messages++;
    // On a stream one lost packet is waited for once.
    return packet.lost;
  }
}
