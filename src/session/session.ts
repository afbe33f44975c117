import type { Admitted } from "../policy/admission.ts";
import { TimerEntry } from "../policy/timer_wheel.ts";
import { CloseCode, type CloseInfo, mayReconnect } from "../protocol/close_code.ts";
import { EncodedMessage } from "../protocol/encoded_message.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  ClientMessage,
  Connect,
  Member,
  Payload,
  Publish,
  Refresh,
  ServerMessage,
} from "../protocol/message.ts";
import type { Peer, TransportKind } from "../transport/transport.ts";
import type { Account } from "./limits/account.ts";
import type { Attachment } from "./attachment.ts";
import type { Claims, Identity } from "./rights/access.ts";
import { CommandGate, type CommandGateOwner, type CommandSender } from "./limits/command_gate.ts";
import type { LimitName } from "./limits/limit_name.ts";
import type { Outbound } from "./delivery/outbound.ts";
import { Publishing, type PublishingSession } from "./publishing.ts";
import { callMethod, queryHistory, queryPresence } from "./queries.ts";
import type { Handover } from "./travel/nodes.ts";
import { Rights, type RightsContext, type RightsOwner } from "./rights/rights.ts";
import { createSecret, equalSecrets, hashSecret } from "./secret.ts";
import type {
  ArrivingSession,
  ListedSession,
  SessionDirectory,
} from "./travel/session_directory.ts";
import type { SessionRecord } from "./travel/session_record.ts";
import type { SessionInfo } from "./session_info.ts";
import type { SlowSession } from "./delivery/slow_session.ts";
import { SessionSubscriptions, type SubscribingSession } from "./delivery/session_subscriptions.ts";
import { TokenExpiry } from "./rights/token_expiry.ts";

/** Who keeps the sessions. */
export interface SessionOwner extends RightsContext, CommandGateOwner {
  /** Lets sessions go on at other nodes; `undefined` where there are none. */
  readonly directory: SessionDirectory | undefined;
  /** The session waits for its client. */
  sessionDetached(session: Session): void;
  sessionEnded(session: Session): void;
  /** A session has gone on at another node, with these channels. */
  sessionDeparted(id: string, channels: readonly string[]): void;
  /** A session reads too slowly. */
  slow(slow: SlowSession): void;
}

/**
 * What a client keeps across transports: its name, its subscriptions and their positions.
 *
 * It is attached to one transport at a time. When it loses it, its subscriptions leave the hub but
 * it stays present, and it is a timer for the end of its resume window.
 */
export class Session extends TimerEntry
  implements
    SessionInfo,
    SubscribingSession,
    CommandSender,
    PublishingSession,
    RightsOwner,
    ListedSession {
  readonly id: string;
  readonly info: Payload | undefined;
  /** Its place on the node, which its owner gives back. */
  readonly place: Admitted;
  readonly account: Account;
  readonly rights: Rights;
  readonly #owner: SessionOwner;
  /** Proves that a client may continue this session; a new one with each transport. */
  #ticket = "";
  /** The one before it, until the client shows that it has the new one: `connected` may be lost. */
  #ticketBefore = "";
  #attachment: Attachment | undefined;
  #peer: Peer | undefined;
  readonly #subscriptions: SessionSubscriptions;
  readonly #publishing: Publishing;
  readonly #gate: CommandGate;
  /** It comes from another node. */
  #arrived: ArrivingSession | undefined;
  /** Where its token expires. */
  #expiry: TokenExpiry | undefined;
  dropped = 0;
  conflated = 0;
  #ended = false;

  constructor(
    owner: SessionOwner,
    place: Admitted,
    account: Account,
    info: Payload | undefined,
    identity: Identity,
    id: string = createSecret(owner.directory?.node),
  ) {
    super();
    this.id = id;
    this.#owner = owner;
    this.place = place;
    this.account = account;
    this.info = info;
    this.rights = new Rights(owner, this, identity);
    this.#subscriptions = new SessionSubscriptions(owner, this);
    this.#publishing = new Publishing(owner, this);
    this.#gate = new CommandGate(owner, this);
  }

  get transport(): TransportKind | undefined {
    return this.#attachment?.transport.kind;
  }

  get address(): string {
    return this.#peer?.address ?? "";
  }

  get origin(): string | undefined {
    return this.#peer?.origin;
  }

  get user(): string | undefined {
    return this.rights.identity.user;
  }

  get claims(): Claims {
    return this.rights.identity.claims;
  }

  get rttMs(): number | undefined {
    return this.#attachment?.heartbeat?.rtt.smoothedMs;
  }

  get queuedBytes(): number {
    return this.#attachment?.outbound.queuedBytes ?? 0;
  }

  get outbound(): Outbound | undefined {
    return this.#attachment?.outbound;
  }

  get refusedCommands(): number {
    return this.#gate.refused;
  }

  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  get member(): Member {
    const { id: session, user, info } = this;
    return { session, ...(user !== undefined && { user }), ...(info !== undefined && { info }) };
  }

  /** Those that continue it. */
  get #tickets(): readonly string[] {
    return this.#ticketBefore === "" ? [this.#ticket] : [this.#ticketBefore, this.#ticket];
  }

  get record(): SessionRecord {
    const { user, info } = this;
    const ticketHashes = this.#tickets.map(hashSecret);
    return { user, info, ticketHashes, subscriptions: this.#subscriptions.records() };
  }

  /** Goes on with what another node had of it. Called once, before the first `attach()`. */
  arrive(arriving: ArrivingSession): void {
    const { record, handover } = arriving;
    this.#arrived = arriving;
    this.#subscriptions.restore(record.subscriptions, handover?.positions ?? []);
    if (handover !== undefined) this.#publishing.restore(handover.answers);
  }

  /** Gives it up for another node, without a word to others: it goes on there. */
  depart(): Handover {
    const replaced = this.#attachment;
    if (replaced !== undefined) {
      this.#subscriptions.suspend(replaced.outbound);
      this.#attachment = undefined;
      replaced.replace();
    }
    const { record } = this;
    const positions = this.#subscriptions.depart();
    this.#ended = true;
    this.#owner.wheel.cancel(this);
    this.#gate.end(false);
    this.#expiry?.stop();
    this.rights.end();
    this.#owner.directory?.gone(this, true);
    this.#owner.sessionEnded(this);
    this.#owner.sessionDeparted(this.id, positions.map(({ channel }) => channel));
    return { record, positions, answers: this.#publishing.answers };
  }

  /** Another node's client may have the ticket of which this is the hash. */
  acceptsHash(ticketHash: string): boolean {
    return this.#tickets.some((ticket) => hashSecret(ticket) === ticketHash);
  }

  /** Whether `ticket` proves that a client may continue this session. */
  accepts(ticket: string): boolean {
    return this.#tickets.some((own) => equalSecrets(ticket, own));
  }

  /**
   * Takes a transport in place of the one it may have, and goes on where its client left off.
   * `identity` is what the client has shown with this transport, of the user of before.
   */
  attach(attachment: Attachment, connect: Connect, identity: Identity): void {
    const arrived = this.#arrived;
    const resumed = this.#peer !== undefined || arrived !== undefined;
    this.#arrived = undefined;
    const replaced = this.#attachment;
    if (replaced !== undefined) {
      this.#subscriptions.suspend(replaced.outbound);
      replaced.replace();
    }
    this.#owner.wheel.cancel(this);
    this.#attachment = attachment;
    this.#peer = attachment.transport.peer;
    this.#ticketBefore = connect.resume?.ticket ?? "";
    this.#ticket = createSecret();
    attachment.attach(this);
    this.#identify(identity);
    const { options, heartbeat, reconnectSpreadMs } = this.#owner;
    attachment.send({
      type: "connected",
      id: connect.id,
      session: this.id,
      ticket: this.#ticket,
      resumed,
      resumeWindowMs: options.resumeWindowMs,
      pingIntervalMs: heartbeat.intervalMs,
      pingMisses: heartbeat.misses,
      reconnectSpreadMs,
      maxMessageBytes: options.maxMessageBytes,
      ...this.#expiresIn(),
    });
    if (resumed) this.#subscriptions.resume(connect.resume?.positions ?? []);
    if (arrived !== undefined) this.#subscriptions.join();
    this.#owner.directory?.changed(this);
  }

  /** Takes a message from the client, whatever transport or encoding it came by. */
  receive(message: ClientMessage, bytes: number): void {
    const attachment = this.#attachment!;
    if (this.#ticketBefore !== "") {
      this.#ticketBefore = "";
      this.#owner.directory?.changed(this);
    }
    switch (message.type) {
      case "subscribe":
        if (this.#gate.admit(message.id, bytes)) {
          this.#answer(message.id, this.#subscriptions.subscribe(message));
        }
        return;
      case "unsubscribe":
        if (this.#gate.admit(message.id, bytes)) {
          this.#answer(message.id, this.#subscriptions.unsubscribe(message));
        }
        return;
      case "track":
        if (this.#gate.admit(message.id, bytes)) {
          this.#answer(message.id, this.#subscriptions.track(message));
        }
        return;
      case "publish":
        return this.#publishing.take(message, bytes, this.#gate);
      case "presence":
        if (this.#gate.admit(message.id, bytes)) {
          this.#answer(message.id, queryPresence(this.#owner, this, message), message.channel);
        }
        return;
      case "history":
        if (this.#gate.admit(message.id, bytes)) {
          this.#answer(message.id, queryHistory(this.#owner, this, message));
        }
        return;
      case "rpc":
        if (this.#gate.admit(message.id, bytes)) {
          this.#answer(message.id, callMethod(this.#owner, this, message));
        }
        return;
      case "refresh":
        if (this.#gate.admit(message.id, bytes)) this.#answer(message.id, this.#refresh(message));
        return;
      case "ping":
        if (this.#gate.admit(0, bytes)) {
          const time = Math.round(this.#owner.now());
          attachment.send({ type: "pong", id: message.id, time });
        }
        return;
      case "pong":
        if (this.#gate.admit(0, bytes)) attachment.heartbeat?.pong(message.id);
        return;
      case "seen":
        if (this.#gate.admit(0, bytes)) attachment.outbound.datagrams.seen(message);
        return;
      case "age":
        if (this.#gate.admit(0, bytes)) this.#subscriptions.aged(message);
        return;
      case "leave":
        return this.end(CloseCode.LEFT, "The client left");
      case "connect":
        return attachment.close(CloseCode.PROTOCOL_ERROR, "A transport connects once: connect");
    }
  }

  subscriptionsChanged(): void {
    this.#owner.directory?.changed(this);
  }

  refusalOf(limit: LimitName, what: string | number): CommandError {
    this.#owner.limited(limit);
    return new CommandError(ErrorCode.TOO_MANY, `${this.#owner.ruleOf(limit)}: ${what}`);
  }

  tooSlow(channel: string): void {
    this.#attachment?.tooSlow(channel);
  }

  droppedFor(channel: string, count: number): void {
    this.dropped += count;
    this.#owner.hub.countDropped(channel, count);
    this.#owner.slow({ session: this, channel, queuedBytes: this.queuedBytes, outcome: "gap" });
  }

  conflatedFor(channel: string, count: number): void {
    this.conflated += count;
    this.#owner.hub.countConflated(channel, count);
  }

  fail(id: number, code: number, message: string): void {
    if (id > 0) this.#attachment?.send({ type: "error", id, code, message });
  }

  channelExpired(channel: string): void {
    if (this.#attachment !== undefined) this.#subscriptions.recheck(channel);
  }

  closeTransport(code: number, reason: string): void {
    this.#attachment?.close(code, reason);
  }

  async finish(
    id: number,
    pending: Promise<ServerMessage | undefined>,
  ): Promise<ServerMessage | undefined> {
    try {
      return await this.#gate.during(pending);
    } catch (error) {
      if (error instanceof CommandError) {
        return { type: "error", id, code: error.code, message: error.message };
      }
      this.#owner.onError(error);
      return { type: "error", id, code: ErrorCode.INTERNAL, message: "Internal error" };
    }
  }

  sendEncoded(message: EncodedMessage): void {
    this.#attachment?.sendEncoded(message);
  }

  publishValue(value: Publish): void {
    this.#publishing.publishUnanswered(value);
  }

  /** Called by the attachment when its transport has ended, before its queue is forgotten. */
  detached(info: CloseInfo): void {
    const attachment = this.#attachment!;
    this.#subscriptions.suspend(attachment.outbound);
    this.#attachment = undefined;
    if (this.#ended) return;
    const { options, wheel } = this.#owner;
    if (!mayReconnect(info.code) || options.resumeWindowMs === 0) {
      return this.end(info.code, info.reason);
    }
    wheel.schedule(this, options.resumeWindowMs);
    this.#owner.sessionDetached(this);
  }

  /** The resume window is over. */
  override onDue(): void {
    this.end(CloseCode.TRANSPORT_LOST, "The client did not come back");
  }

  /** Ends the session for good, and its transport with it; only the first call counts. */
  end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#attachment?.close(code, reason);
    this.#owner.wheel.cancel(this);
    this.#gate.end(code === CloseCode.LEFT);
    this.#expiry?.stop();
    this.rights.end();
    this.#subscriptions.end();
    this.#owner.directory?.gone(this, false);
    this.#owner.sessionEnded(this);
    void this.#tellDisconnect({ code, reason });
  }

  async #tellDisconnect(info: CloseInfo): Promise<void> {
    try {
      await this.#owner.hooks.onDisconnect?.(this, info);
    } catch (error) {
      this.#owner.onError(error);
    }
  }

  #identify(identity: Identity): void {
    this.rights.identity = identity;
    if (identity.expiresMs !== Infinity) {
      this.#expiry ??= new TokenExpiry(this.#owner.wheel, () => this.#tokenExpired());
    }
    this.#expiry?.set(identity.expiresMs);
  }

  /** The session may go on: whoever resumes it shows a new token. */
  #tokenExpired(): void {
    this.closeTransport(CloseCode.TOKEN_EXPIRED, "The token has expired");
  }

  #expiresIn(): { readonly expiresInMs?: number } {
    const { expiresMs } = this.rights.identity;
    if (expiresMs === Infinity) return {};
    return { expiresInMs: Math.max(0, Math.round(expiresMs - this.#owner.wheel.clock.now())) };
  }

  /**
   * Sends the answer to a command once it is there, by the transport that brought the command. One
   * about a `channel` that the session is subscribed to goes by the subscription's lane: joins and
   * leaves must not overtake the members that they change.
   */
  async #answer(
    id: number,
    pending: Promise<ServerMessage | undefined>,
    channel?: string,
  ): Promise<void> {
    const attachment = this.#attachment;
    const message = await this.finish(id, pending);
    if (message === undefined || attachment === undefined || attachment !== this.#attachment) {
      return;
    }
    const encoded = this.#fitting(id, message);
    const subscription = channel === undefined ? undefined : this.#subscriptions.get(channel);
    if (subscription?.begun) subscription.answer(encoded);
    else attachment.sendEncoded(encoded);
  }

  /** An answer that would fill half of the queue is refused, or it would end the transport. */
  #fitting(id: number, message: ServerMessage): EncodedMessage {
    const encoded = new EncodedMessage(message);
    const most = this.#owner.options.maxQueueBytes / 2;
    const bytes = encoded.bytes(this.#attachment!.transport.encoding).byteLength;
    if (bytes <= most) return encoded;
    return new EncodedMessage({
      type: "error",
      id,
      code: ErrorCode.TOO_LARGE,
      message: `An answer has at most ${most} bytes: ${bytes}`,
    });
  }

  async #refresh({ id, token }: Refresh): Promise<ServerMessage> {
    const identity = await this.rights.identify(token);
    const { subject, user } = this.rights.identity;
    if (identity.subject !== subject) {
      throw new CommandError(ErrorCode.FORBIDDEN, "The token is of another user than the session");
    }
    if (!this.#ended) {
      this.#identify({ ...identity, user });
      this.#subscriptions.recheck();
    }
    return { type: "refreshed", id, ...this.#expiresIn() };
  }
}
