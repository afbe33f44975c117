import type { HeartbeatHandle, HeartbeatPeer } from "../policy/heartbeat.ts";
import { TimerEntry } from "../policy/timer_wheel.ts";
import { CloseCode, type CloseInfo } from "../protocol/close_code.ts";
import { EncodedMessage } from "../protocol/encoded_message.ts";
import type { ClientMessage, Connect, ServerMessage } from "../protocol/message.ts";
import type { Lane, Transport, TransportReceiver } from "../transport/transport.ts";
import { Outbound, type OutboundOwner } from "./delivery/outbound.ts";
import type { Session } from "./session.ts";
import type { SessionContext } from "./session_context.ts";
import type { SlowSession } from "./delivery/slow_session.ts";

/** Who turns a transport into a session, and is told when it ends. */
export interface AttachmentOwner extends SessionContext {
  connect(attachment: Attachment, connect: Connect): void;
  attachmentEnded(attachment: Attachment): void;
  /** A session reads too slowly. */
  slow(slow: SlowSession): void;
}

/**
 * One transport, from its acceptance to its end: what waits for it, its heartbeat, and the session
 * that has it. It is a timer for the `connect` that has to come, and later for a drain.
 */
export class Attachment extends TimerEntry
  implements TransportReceiver, HeartbeatPeer, OutboundOwner {
  readonly transport: Transport;
  readonly outbound: Outbound;
  heartbeat: HeartbeatHandle | undefined;
  readonly #owner: AttachmentOwner;
  #session: Session | undefined;
  /** What came while the client is being identified. */
  #held: { readonly message: ClientMessage; readonly bytes: number }[] | undefined;
  #heldBytes = 0;
  #ended = false;

  constructor(transport: Transport, owner: AttachmentOwner) {
    super();
    this.transport = transport;
    this.outbound = new Outbound(transport, owner, this);
    this.#owner = owner;
    owner.wheel.schedule(this, owner.options.connectTimeoutMs);
  }

  /** Gives the transport to a session; only now is its peer pinged. */
  attach(session: Session): void {
    this.#session = session;
    this.#owner.wheel.cancel(this);
    this.heartbeat = this.#owner.heartbeat.watch(this);
  }

  /** Whether its transport has ended, or is about to. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Keeps what comes until the client is known; the time for that goes on. */
  hold(): void {
    this.#held = [];
  }

  /** Takes what was kept: the session has it from now on. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { message, bytes } of held) this.receive(message, bytes);
  }

  /** Queues a message on the control lane. A peer that leaves no room for it is closed. */
  send(message: ServerMessage): void {
    this.sendEncoded(new EncodedMessage(message));
  }

  sendEncoded(message: EncodedMessage): void {
    if (!this.#ended && !this.outbound.control.push(message)) this.tooSlow();
  }

  /** Closes for a queue without room; for a message of `channel`, if it is of one. */
  tooSlow(channel?: string): void {
    if (this.#ended) return;
    this.#slow(channel, "disconnect");
    this.close(
      CloseCode.SLOW_CONSUMER,
      `The peer reads too slowly: ${this.outbound.queuedBytes} bytes wait`,
    );
  }

  behind(channel: string | undefined): void {
    this.#slow(channel, "behind");
  }

  stalled(channel: string | undefined): void {
    this.#slow(channel, "timeout");
    const { writeTimeoutMs } = this.#owner.options;
    this.close(
      CloseCode.SLOW_CONSUMER,
      `The peer has taken nothing for ${writeTimeoutMs} ms: ${this.outbound.queuedBytes} bytes wait`,
    );
  }

  /** Says that the node goes away, and closes in `delayMs`; at once if there is no session yet. */
  drain(delayMs: number): void {
    if (this.#session === undefined) return this.close(CloseCode.SHUTDOWN, GOING_AWAY);
    this.send({ type: "drain", delayMs: Math.round(delayMs) });
    if (!this.#ended) this.#owner.wheel.schedule(this, delayMs);
  }

  /** Takes the transport away from its session and ends it: the session goes on elsewhere. */
  replace(): void {
    this.#session = undefined;
    this.outbound.end();
    this.close(CloseCode.REPLACED, "The session goes on over another transport");
  }

  /** Ends the transport with what its lanes still take; only the first call counts. */
  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.outbound.flush();
    this.#end({ code, reason });
    this.transport.close(code, reason);
  }

  receive(message: ClientMessage, bytes: number): void {
    if (this.#ended) return;
    if (this.#session !== undefined) this.#session.receive(message, bytes);
    else if (this.#held !== undefined) this.#hold(message, bytes);
    else if (message.type === "connect") this.#owner.connect(this, message);
    else {
      this.close(
        CloseCode.PROTOCOL_ERROR,
        `The first message must be connect: ${message.type}`,
      );
    }
  }

  alive(): void {
    this.heartbeat?.touch();
  }

  drained(lane: Lane): void {
    this.outbound.drained(lane);
  }

  closed(info: CloseInfo): void {
    this.#end(info);
  }

  ping(id: number): void {
    this.send({ type: "ping", id });
  }

  dead(): void {
    const { intervalMs, misses } = this.#owner.heartbeat;
    this.close(
      CloseCode.PING_TIMEOUT,
      `Nothing was heard of the peer for ${intervalMs * (misses + 1)} ms`,
    );
  }

  override onDue(): void {
    if (this.#session !== undefined) {
      this.close(CloseCode.SHUTDOWN, GOING_AWAY);
    } else {
      const { connectTimeoutMs } = this.#owner.options;
      const what = this.#held === undefined ? "No connect came" : "Nobody has let the client in";
      this.close(CloseCode.CONNECT_TIMEOUT, `${what} within ${connectTimeoutMs} ms`);
    }
  }

  #hold(message: ClientMessage, bytes: number): void {
    const { maxPendingCommands, maxMessageBytes } = this.#owner.options;
    const held = this.#held!;
    this.#heldBytes += bytes;
    if (held.push({ message, bytes }) <= maxPendingCommands && this.#heldBytes <= maxMessageBytes) {
      return;
    }
    this.close(
      CloseCode.FLOODING,
      `Commands may wait for connected ${maxPendingCommands} at once: ${held.length} came`,
    );
  }

  #slow(channel: string | undefined, outcome: SlowSession["outcome"]): void {
    const session = this.#session;
    if (session === undefined) return;
    const { queuedBytes } = this.outbound;
    this.#owner.slow({ session, channel, queuedBytes, outcome });
  }

  #end(info: CloseInfo): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#owner.wheel.cancel(this);
    this.heartbeat?.stop();
    const session = this.#session;
    this.#session = undefined;
    this.#held = undefined;
    // Before its queue is forgotten: the session looks what of it was not written.
    session?.detached(info);
    this.outbound.end();
    this.#owner.attachmentEnded(this);
  }
}

/** The reason of every {@linkcode CloseCode.SHUTDOWN}. */
export const GOING_AWAY = "The node goes away";
