import type { Admitted } from "../policy/admission.ts";
import { TimerEntry } from "../policy/timer_wheel.ts";
import { CloseCode, type CloseInfo, mayReconnect } from "../protocol/close_code.ts";
import { EncodedMessage } from "../protocol/encoded_message.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  ClientMessage,
  Connect,
  HistoryQuery,
  Member,
  Payload,
  PresenceQuery,
  Publication,
  Publish,
  Refresh,
  Rpc,
  ServerMessage,
} from "../protocol/message.ts";
import type { Peer, TransportKind } from "../transport/transport.ts";
import type { Account } from "./limits/account.ts";
import type { Attachment } from "./attachment.ts";
import type { Claims, Identity } from "./rights/access.ts";
import { CommandGate, type CommandGateOwner, type CommandSender } from "./limits/command_gate.ts";
import type { LimitName } from "./limits/limit_name.ts";
import type { Outbound } from "./delivery/outbound.ts";
import { PublishAnswers } from "./publish_answers.ts";
import { PublishedChannels } from "./limits/published_channels.ts";
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
  implements SessionInfo, SubscribingSession, CommandSender, RightsOwner, ListedSession {
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
  readonly #gate: CommandGate;
  #publishAnswers: PublishAnswers | undefined;
  /** The channel that it published to last, and those of the minute once there are two. */
  #publishedTo: string | undefined;
  #publishedChannels: PublishedChannels | undefined;
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
    if (handover === undefined || handover.answers.length === 0) return;
    (this.#publishAnswers = new PublishAnswers()).restore(handover.answers);
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
    return { record, positions, answers: this.#publishAnswers?.list() ?? [] };
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
        return this.#takePublish(message, bytes);
      case "presence":
        if (this.#gate.admit(message.id, bytes)) {
          this.#answer(message.id, this.#presence(message), message.channel);
        }
        return;
      case "history":
        if (this.#gate.admit(message.id, bytes)) this.#answer(message.id, this.#history(message));
        return;
      case "rpc":
        if (this.#gate.admit(message.id, bytes)) this.#answer(message.id, this.#rpc(message));
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

  publishValue(value: Publish): void {
    void this.#finish(0, this.#publish(value));
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
    const message = await this.#finish(id, pending);
    if (message === undefined || attachment === undefined || attachment !== this.#attachment) {
      return;
    }
    const encoded = this.#fitting(id, message);
    const subscription = channel === undefined ? undefined : this.#subscriptions.get(channel);
    if (subscription?.begun) subscription.answer(encoded);
    else attachment.sendEncoded(encoded);
  }

  async #finish(
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

  #takePublish(message: Publish, bytes: number): void {
    const { id } = message;
    if (id === 0) {
      if (message.key !== undefined) this.#gate.takeValue(message, bytes);
      else if (this.#gate.admitPublish(0, bytes)) this.publishValue(message);
      return;
    }
    const answers = this.#publishAnswers ??= new PublishAnswers();
    const known = answers.begin(id);
    if (known instanceof EncodedMessage) return this.#attachment?.sendEncoded(known);
    if (known === "forgotten") {
      return this.fail(id, ErrorCode.CONFLICT, `The id of a publish must rise: ${id}`);
    }
    if (known === "pending") return;
    if (!this.#gate.admitPublish(id, bytes)) return answers.forget(id);
    if (message.key !== undefined) this.#gate.overtake(message);
    void this.#answerPublish(answers, message);
  }

  /** Keeps the answer, and sends it by whatever transport there is by then. */
  async #answerPublish(answers: PublishAnswers, message: Publish): Promise<void> {
    const answer = await this.#finish(message.id, this.#publish(message));
    if (answer === undefined) return;
    const encoded = new EncodedMessage(answer);
    answers.finish(message.id, encoded);
    this.#attachment?.sendEncoded(encoded);
  }

  // Async, so that a refusal rejects.
  async #publish(message: Publish): Promise<ServerMessage> {
    return await this.rights.publish(message, this.#publishNow);
  }

  readonly #publishNow = async (
    { id, channel, key, removed }: Publish,
    data: Payload,
  ): Promise<ServerMessage> => {
    this.#chargeChannel(channel);
    const position = await this.#owner.hub.publish({
      channel,
      ...(key !== undefined && { key }),
      ...(removed && { removed }),
      publisher: this.id,
      // Another node knows nothing of the answers that this one has.
      ...(id > 0 && this.#owner.directory !== undefined && {
        once: { id, withinMs: this.#owner.options.resumeWindowMs + REACH_MS },
      }),
      data,
    });
    return { type: "published", id, position };
  };

  /** @throws {CommandError} If too many were published to lately. */
  #chargeChannel(channel: string): void {
    const last = this.#publishedTo;
    if (last === channel) return;
    const { options: { maxChannels }, rates } = this.#owner;
    const nowMs = rates.clock.now();
    const channels = last === undefined
      ? undefined
      : this.#publishedChannels ??= new PublishedChannels(maxChannels);
    if (!channels?.has(channel, last!, nowMs)) {
      const limit = channels?.full ? "session.maxChannels" : this.account.takeChannel(nowMs);
      if (limit !== undefined) throw this.refusalOf(limit, `"${channel}"`);
      channels?.add(channel);
    }
    this.#publishedTo = channel;
  }

  async #presence({ id, channel }: PresenceQuery): Promise<ServerMessage> {
    const asked = this.rights.require("presence", channel);
    // At once where nobody is asked: what the client says next must not overtake it.
    if (asked !== undefined) await asked;
    return { type: "members", id, channel, members: await this.#owner.hub.members(channel) };
  }

  async #history({ id, channel, since, limit }: HistoryQuery): Promise<ServerMessage> {
    const asked = this.rights.require("history", channel);
    if (asked !== undefined) await asked;
    const page = await this.#owner.hub.history(channel, { ...(since && { since }), limit });
    const most = this.#owner.options.maxQueueBytes / 4;
    const publications = cut(page.publications, most, since === undefined);
    return { type: "history", id, channel, ...page, publications };
  }

  async #rpc({ id, method, data }: Rpc): Promise<ServerMessage> {
    const { rpc, hooks } = this.#owner;
    if (hooks.onRpc !== undefined) {
      const answer = await this.rights.askRpc(method, data);
      if (answer !== undefined) return { type: "result", id, data: answer };
    }
    const handler = Object.hasOwn(rpc, method) ? rpc[method] : undefined;
    if (handler === undefined) {
      throw new CommandError(ErrorCode.NOT_FOUND, `There is no method: "${method}"`);
    }
    return { type: "result", id, data: await handler(data, this) };
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

/** What a client may take to notice a loss, and to come to its next node, in milliseconds. */
const REACH_MS = 120_000;

/** As many publications as have `mostBytes`, and at least one: the newest, or the oldest. */
function cut(
  publications: readonly Publication[],
  mostBytes: number,
  newest: boolean,
): readonly Publication[] {
  let bytes = 0;
  for (let count = 0; count < publications.length; count++) {
    const at = newest ? publications.length - 1 - count : count;
    // JSON takes a third more for base64, and some fields around it.
    bytes += publications[at]!.data.bytes.byteLength * 4 / 3 + 200;
    if (bytes <= mostBytes || count === 0) continue;
    return newest ? publications.slice(-count) : publications.slice(0, count);
  }
  return publications;
}
