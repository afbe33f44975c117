import type { Clock } from "../policy/clock.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Publish } from "../protocol/message.ts";
import type { Link } from "./link.ts";
import { Timer } from "./timer.ts";

interface Value {
  readonly publication: Publish;
  readonly changedMs: number;
  /**
   * `dirty`: not sent, or lost with its transport. `sent`: as a datagram, which may be lost.
   * `settling`: sent again, and waiting for the acknowledgement.
   */
  state: "dirty" | "sent" | "settling";
}

/**
 * Unacknowledged publications to `latest` channels: of each key only the newest is worth sending.
 *
 * - What one turn publishes for a key, and what a congested or lost transport cannot take, leaves
 *   as one publication.
 * - Sent as a datagram where there is one, which may be lost or overtaken. Once a key goes quiet,
 *   its value is therefore sent again, acknowledged.
 */
export class LatestOutbox {
  readonly #clock: Clock;
  readonly #settle: (publication: Publish) => Promise<unknown>;
  readonly #retry: () => void;
  /** By channel and key; in order of their last change. */
  readonly #values = new Map<string, Value>();
  readonly #timer: Timer;

  /**
   * `settle` publishes a value once more, acknowledged, and rejects if that may have failed;
   * `retry` asks for `flush()` at the end of the turn.
   */
  constructor(
    clock: Clock,
    settle: (publication: Publish) => Promise<unknown>,
    retry: () => void,
  ) {
    this.#clock = clock;
    this.#timer = new Timer(clock);
    this.#settle = settle;
    this.#retry = retry;
  }

  /**
   * Takes the newest value of a key.
   *
   * @throws {CommandError} With `TOO_MANY` if too many keys wait already.
   */
  put(publication: Publish): void {
    const id = idOf(publication.channel, publication.key!);
    if (!this.#values.delete(id) && this.#values.size >= MAX_KEYS) {
      throw new CommandError(ErrorCode.TOO_MANY, `Too many keys wait for the server: ${MAX_KEYS}`);
    }
    this.#values.set(id, { publication, changedMs: this.#clock.now(), state: "dirty" });
  }

  /** Forgets a key, whose newer value goes another way. */
  forget(channel: string, key: string): void {
    this.#values.delete(idOf(channel, key));
  }

  /**
   * Sends what is dirty over `link`, as far as it takes it.
   *
   * A value that no transport can ever take is dropped and given to `refuse` with the reason.
   */
  flush(link: Link, refuse: (error: Error) => void): void {
    const datagrams = link.transport.maxDatagramSize > 0;
    for (const [id, value] of this.#values) {
      if (value.state !== "dirty") continue;
      try {
        if (datagrams && link.sendDatagram(value.publication)) {
          value.state = "sent";
        } else if (!link.congested) {
          link.send(value.publication);
          this.#values.delete(id);
        }
      } catch (error) {
        this.#values.delete(id);
        refuse(error as Error);
      }
    }
    this.#wait();
  }

  /** The transport is lost, and with it perhaps what was not settled. */
  interrupt(): void {
    this.#timer.stop();
    // What is settling is a command by now, and outlives the transport by itself.
    for (const value of this.#values.values()) if (value.state === "sent") value.state = "dirty";
  }

  /** Forgets everything. */
  clear(): void {
    this.#timer.stop();
    this.#values.clear();
  }

  #wait(): void {
    if (this.#timer.running || this.#values.size === 0) return;
    this.#timer.start(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    const quietSinceMs = this.#clock.now() - SETTLE_MS;
    let dirty = false;
    for (const [id, value] of this.#values) {
      if (value.state === "dirty") dirty = true;
      else if (value.state === "sent" && value.changedMs <= quietSinceMs) this.#settled(id, value);
    }
    // A congested link has no event for having room again.
    if (dirty) this.#retry();
    this.#wait();
  }

  /** Settles a value; a newer one of its key, which has replaced it by then, is left alone. */
  #settled(id: string, value: Value): void {
    value.state = "settling";
    this.#settle(value.publication).then(() => {
      if (this.#values.get(id) === value) this.#values.delete(id);
    }, () => {
      value.state = "dirty";
      if (this.#values.get(id) === value) this.#retry();
    });
  }
}

/** Channel names have no line breaks. */
function idOf(channel: string, key: string): string {
  return `${channel}\n${key}`;
}

/** As the server's default `settleMs`, so that a pause of a hand is no end. */
const SETTLE_MS = 250;

/** Fine enough for a congested link to lag by no more than three frames of a display. */
const TICK_MS = 50;

/** Keys that change within one settle time: more than one client can have to say. */
const MAX_KEYS = 4096;
