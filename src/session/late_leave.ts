import { TimerEntry } from "../policy/timer_wheel.ts";
import type { SessionContext } from "./session_context.ts";

/**
 * Takes a session that went on at another node out of this node's presence, once it is certainly
 * present there: a moment in between would be told to everybody as a leave and a join.
 */
export class LateLeave extends TimerEntry {
  readonly #context: SessionContext;
  readonly #session: string;
  readonly #channels: readonly string[];
  /** Whether the session has come back meanwhile. */
  readonly #isHere: (session: string) => boolean;

  constructor(
    context: SessionContext,
    session: string,
    channels: readonly string[],
    isHere: (session: string) => boolean,
  ) {
    super();
    this.#context = context;
    this.#session = session;
    this.#channels = channels;
    this.#isHere = isHere;
    context.wheel.schedule(this, LATE_MS);
  }

  override onDue(): void {
    if (this.#isHere(this.#session)) return;
    const { hub, onError } = this.#context;
    for (const channel of this.#channels) {
      if (!hub.namespaces.of(channel).presence) continue;
      // Of no effect in Redis, where it is the other node's by now.
      hub.leave(channel, this.#session).catch(onError);
    }
  }
}

/** Many times what the other node takes for its join, while Redis can be reached. */
const LATE_MS = 5000;
