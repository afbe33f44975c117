import type { Admitted } from "../policy/admission.ts";
import { TimerEntry } from "../policy/timer_wheel.ts";
import { EMPTY, type RateLimit } from "../policy/rate_limit.ts";
import { CloseCode, type CloseInfo, mayReconnect } from "../protocol/close_code.ts";
import { EncodedMessage } from "../protocol/encoded_message.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  ChannelPosition,
  ClientMessage,
  Connect,
  HistoryQuery,
  Member,
  Payload,
  Position,
  PresenceQuery,
  Publication,
  Publish,
  Rpc,
  ServerMessage,
  Subscribe,
  Unsubscribe,
} from "../protocol/message.ts";
import type { Peer, TransportKind } from "../transport/transport.ts";
import type { Attachment } from "./attachment.ts";
import { LatestSubscription } from "./latest_subscription.ts";
import { OrderedSubscription } from "./ordered_subscription.ts";
import type { Outbound } from "./outbound.ts";
import { PublishAnswers } from "./publish_answers.ts";
import { createSecret, equalSecrets } from "./secret.ts";
import type { SessionContext } from "./session_context.ts";
import type { SessionInfo } from "./session_info.ts";
import type { SlowSession } from "./slow_session.ts";
import type { Subscription, SubscriptionOwner } from "./subscription.ts";

/** Who keeps the sessions. */
export interface SessionOwner extends SessionContext {
  /** The session waits for its client. */
  sessionDetached(session: Session): void;
  sessionEnded(session: Session): void;
  /** A session reads too slowly. */
  slow(slow: SlowSession): void;
  commandRefused(): void;
  /** How fast commands may come. */
  readonly commandRate: RateLimit;
  /** How fast commands may come that are refused. */
  readonly refusalRate: RateLimit;
}

/**
 * What a client keeps across transports: its name, its subscriptions and their positions.
 *
 * It is attached to one transport at a time. When it loses it, its subscriptions leave the hub but
 * it stays present, and it is a timer for the end of its resume window.
 */
export class Session extends TimerEntry implements SessionInfo, SubscriptionOwner {
  readonly id: string = createSecret();
  readonly info: Payload | undefined;
  /** Its place on the node, which its owner gives back. */
  readonly place: Admitted;
  readonly #owner: SessionOwner;
  /** Proves that a client may continue this session; a new one with each transport. */
  #ticket = "";
  /** The one before it, until the client shows that it has the new one: `connected` may be lost. */
  #ticketBefore = "";
  #attachment: Attachment | undefined;
  #peer: Peer | undefined;
  /** By channel; made with the first. */
  #subscriptions: Map<string, Subscription> | undefined;
  #publishAnswers: PublishAnswers | undefined;
  dropped = 0;
  conflated = 0;
  refusedCommands = 0;
  #pendingCommands = 0;
  /** When the bucket of {@linkcode SessionOwner.commandRate} is full again, and of the refusals. */
  #commandsFullAtMs = 0;
  #refusalsFullAtMs = 0;
  #ended = false;

  constructor(owner: SessionOwner, place: Admitted, info: Payload | undefined) {
    super();
    this.#owner = owner;
    this.place = place;
    this.info = info;
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

  get rttMs(): number | undefined {
    return this.#attachment?.heartbeat?.rtt.smoothedMs;
  }

  get queuedBytes(): number {
    return this.#attachment?.outbound.queuedBytes ?? 0;
  }

  get outbound(): Outbound | undefined {
    return this.#attachment?.outbound;
  }

  /** Whether `ticket` proves that a client may continue this session. */
  accepts(ticket: string): boolean {
    return equalSecrets(ticket, this.#ticket) ||
      this.#ticketBefore !== "" && equalSecrets(ticket, this.#ticketBefore);
  }

  /** Takes a transport in place of the one it may have, and goes on where its client left off. */
  attach(attachment: Attachment, connect: Connect): void {
    const resumed = this.#peer !== undefined;
    const replaced = this.#attachment;
    if (replaced !== undefined) {
      this.#suspend(replaced);
      replaced.replace();
    }
    this.#owner.wheel.cancel(this);
    this.#attachment = attachment;
    this.#peer = attachment.transport.peer;
    this.#ticketBefore = connect.resume?.ticket ?? "";
    this.#ticket = createSecret();
    attachment.attach(this);
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
    });
    if (resumed) this.#resumeSubscriptions(connect.resume?.positions ?? []);
  }

  /** Takes a message from the client, whatever transport or encoding it came by. */
  receive(message: ClientMessage): void {
    const attachment = this.#attachment!;
    this.#ticketBefore = "";
    switch (message.type) {
      case "subscribe":
        if (this.#admit(message.id)) this.#answer(message.id, this.#subscribe(message));
        return;
      case "unsubscribe":
        if (this.#admit(message.id)) this.#answer(message.id, this.#unsubscribe(message));
        return;
      case "publish":
        return this.#takePublish(message);
      case "presence":
        if (this.#admit(message.id)) {
          this.#answer(message.id, this.#presence(message), message.channel);
        }
        return;
      case "history":
        if (this.#admit(message.id)) this.#answer(message.id, this.#history(message));
        return;
      case "rpc":
        if (this.#admit(message.id)) this.#answer(message.id, this.#rpc(message));
        return;
      case "ping":
        if (this.#admit(0)) attachment.send({ type: "pong", id: message.id });
        return;
      case "pong":
        return attachment.heartbeat?.pong(message.id);
      case "leave":
        return this.end(CloseCode.LEFT, "The client left");
      case "connect":
        return attachment.close(CloseCode.PROTOCOL_ERROR, "A transport connects once: connect");
    }
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

  /** Called by the attachment when its transport has ended, before its queue is forgotten. */
  detached(info: CloseInfo): void {
    const attachment = this.#attachment!;
    this.#suspend(attachment);
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
    for (const { channel } of this.#subscriptions?.values() ?? []) this.#leavePresence(channel);
    this.#subscriptions = undefined;
    this.#owner.sessionEnded(this);
  }

  /** Whether a command is to be done; one that is not is answered, unless its `id` is 0. */
  #admit(id: number): boolean {
    const { commandRate, options } = this.#owner;
    const fullAtMs = commandRate.take(this.#commandsFullAtMs);
    if (fullAtMs === EMPTY) {
      this.#refuse(id, `Commands may come ${options.maxCommandsPerSecond} a second`);
      return false;
    }
    this.#commandsFullAtMs = fullAtMs;
    if (this.#pendingCommands < options.maxPendingCommands) return true;
    this.#refuse(id, `Commands may wait for an answer ${options.maxPendingCommands} at once`);
    return false;
  }

  /** Refuses a command, and closes for a client that does not heed that. */
  #refuse(id: number, rule: string): void {
    const { refusalRate } = this.#owner;
    this.refusedCommands++;
    this.#owner.commandRefused();
    this.#fail(id, ErrorCode.TOO_MANY, `${rule}: too many came`);
    const fullAtMs = refusalRate.take(this.#refusalsFullAtMs);
    if (fullAtMs !== EMPTY) this.#refusalsFullAtMs = fullAtMs;
    else this.#attachment?.close(CloseCode.FLOODING, `${rule}: too many came all the same`);
  }

  #fail(id: number, code: number, message: string): void {
    if (id > 0) this.#attachment?.send({ type: "error", id, code, message });
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
    const subscription = channel === undefined ? undefined : this.#subscriptions?.get(channel);
    if (subscription?.begun) subscription.inform(encoded);
    else attachment.sendEncoded(encoded);
  }

  async #finish(
    id: number,
    pending: Promise<ServerMessage | undefined>,
  ): Promise<ServerMessage | undefined> {
    this.#pendingCommands++;
    try {
      return await pending;
    } catch (error) {
      if (error instanceof CommandError) {
        return { type: "error", id, code: error.code, message: error.message };
      }
      this.#owner.onError(error);
      return { type: "error", id, code: ErrorCode.INTERNAL, message: "Internal error" };
    } finally {
      this.#pendingCommands--;
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

  async #subscribe({ id, channel, position }: Subscribe): Promise<undefined> {
    const { hub, options } = this.#owner;
    const known = this.#subscriptions?.get(channel);
    if (known !== undefined) return this.#subscribeAgain(known, id);
    const { delivery, overflow, presence } = hub.namespaces.of(channel);
    const subscriptions = this.#subscriptions ??= new Map();
    if (subscriptions.size >= options.maxSubscriptions) {
      throw new CommandError(
        ErrorCode.TOO_MANY,
        `A session has at most ${options.maxSubscriptions} subscriptions: ${
          subscriptions.size + 1
        }`,
      );
    }
    const subscription = delivery === "latest"
      ? new LatestSubscription(this, channel, id)
      : new OrderedSubscription(this, channel, id, overflow);
    subscriptions.set(channel, subscription);
    try {
      await hub.subscribe(channel, subscription, position);
    } catch (error) {
      if (this.#has(subscription)) subscriptions.delete(channel);
      throw error;
    }
    if (!this.#has(subscription)) {
      throw new CommandError(ErrorCode.CONFLICT, `The subscription was ended: "${channel}"`);
    }
    if (presence) hub.join(channel, this.#member()).catch(this.#owner.onError);
  }

  /** The same command again, after its answer was lost with a transport, is no second one. */
  #subscribeAgain(known: Subscription, id: number): undefined {
    if (known.commandId !== id) {
      throw new CommandError(
        ErrorCode.CONFLICT,
        `The session is subscribed already: "${known.channel}"`,
      );
    }
    if (known.begun) known.repeatSubscribed();
    else known.answerId = id;
  }

  // Async, so that what it throws is answered.
  // deno-lint-ignore require-await
  async #unsubscribe({ id, channel }: Unsubscribe): Promise<ServerMessage | undefined> {
    const subscription = this.#subscriptions?.get(channel);
    if (subscription === undefined) {
      throw new CommandError(ErrorCode.NOT_FOUND, `There is no subscription: "${channel}"`);
    }
    const message = { type: "unsubscribed", id, channel, code: 0, reason: "" } as const;
    this.#drop(subscription);
    if (!subscription.begun) return message;
    subscription.end(message);
  }

  #takePublish(message: Publish): void {
    const { id } = message;
    if (id === 0) {
      if (this.#admit(0)) void this.#finish(0, this.#publish(message));
      return;
    }
    const answers = this.#publishAnswers ??= new PublishAnswers();
    const known = answers.begin(id);
    if (known instanceof EncodedMessage) return this.#attachment?.sendEncoded(known);
    if (known === "forgotten") {
      return this.#fail(id, ErrorCode.CONFLICT, `The id of a publish must rise: ${id}`);
    }
    if (known === "pending") return;
    if (this.#admit(id)) void this.#answerPublish(answers, message);
    else answers.forget(id);
  }

  /** Keeps the answer, and sends it by whatever transport there is by then. */
  async #answerPublish(answers: PublishAnswers, message: Publish): Promise<void> {
    const answer = await this.#finish(message.id, this.#publish(message));
    if (answer === undefined) return;
    const encoded = new EncodedMessage(answer);
    answers.finish(message.id, encoded);
    this.#attachment?.sendEncoded(encoded);
  }

  async #publish({ id, channel, key, removed, data }: Publish): Promise<ServerMessage> {
    const { hub } = this.#owner;
    if (!hub.namespaces.of(channel).clientPublish) {
      throw new CommandError(ErrorCode.FORBIDDEN, `Clients do not publish here: "${channel}"`);
    }
    const position = await hub.publish({
      channel,
      ...(key !== undefined && { key }),
      ...(removed && { removed }),
      publisher: this.id,
      data,
    });
    return { type: "published", id, position };
  }

  async #presence({ id, channel }: PresenceQuery): Promise<ServerMessage> {
    return { type: "members", id, channel, members: await this.#owner.hub.members(channel) };
  }

  async #history({ id, channel, since, limit }: HistoryQuery): Promise<ServerMessage> {
    const page = await this.#owner.hub.history(channel, { ...(since && { since }), limit });
    const most = this.#owner.options.maxQueueBytes / 4;
    const publications = cut(page.publications, most, since === undefined);
    return { type: "history", id, channel, ...page, publications };
  }

  async #rpc({ id, method, data }: Rpc): Promise<ServerMessage> {
    const { rpc } = this.#owner;
    const handler = Object.hasOwn(rpc, method) ? rpc[method] : undefined;
    if (handler === undefined) {
      throw new CommandError(ErrorCode.NOT_FOUND, `There is no method: "${method}"`);
    }
    return { type: "result", id, data: await handler(data, this) };
  }

  #has(subscription: Subscription): boolean {
    return this.#subscriptions?.get(subscription.channel) === subscription;
  }

  #member(): Member {
    return { session: this.id, ...(this.info !== undefined && { info: this.info }) };
  }

  /** Takes a subscription out of the session, the hub and presence. */
  #drop(subscription: Subscription): void {
    const { channel } = subscription;
    this.#subscriptions?.delete(channel);
    this.#owner.hub.unsubscribe(channel, subscription);
    this.#leavePresence(channel);
  }

  #leavePresence(channel: string): void {
    const { hub, onError } = this.#owner;
    if (hub.namespaces.of(channel).presence) hub.leave(channel, this.id).catch(onError);
  }

  /** Takes the subscriptions out of the hub and notes from where they would go on. */
  #suspend({ outbound }: Attachment): void {
    if (this.#subscriptions === undefined) return;
    const unwritten = outbound.unwritten();
    for (const subscription of this.#subscriptions.values()) {
      const { channel } = subscription;
      this.#owner.hub.unsubscribe(channel, subscription);
      // The client has no answer yet and asks again.
      if (!subscription.kept) this.#subscriptions.delete(channel);
      else subscription.suspend(unwritten.get(channel));
    }
  }

  #resumeSubscriptions(positions: readonly ChannelPosition[]): void {
    if (this.#subscriptions === undefined) return;
    const byChannel = new Map(positions.map((position) => [position.channel, position]));
    for (const subscription of this.#subscriptions.values()) {
      const position = byChannel.get(subscription.channel);
      if (position !== undefined) subscription.resumeFrom(position);
      void this.#resume(subscription, subscription.position);
    }
  }

  async #resume(subscription: Subscription, position: Position): Promise<void> {
    const { channel } = subscription;
    const attachment = this.#attachment;
    try {
      await this.#owner.hub.subscribe(channel, subscription, position);
    } catch (error) {
      // Another transport has begun the subscription anew, or it is gone.
      if (!this.#has(subscription) || this.#attachment !== attachment) return;
      this.#drop(subscription);
      const known = error instanceof CommandError;
      if (!known) this.#owner.onError(error);
      attachment?.send({
        type: "unsubscribed",
        id: 0,
        channel,
        code: known ? error.code : ErrorCode.INTERNAL,
        reason: known ? error.message : "Internal error",
      });
    }
  }
}

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
