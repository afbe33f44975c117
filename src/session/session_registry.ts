import type { Cork } from "../hub/cork.ts";
import type { Hub } from "../hub/hub.ts";
import type { SessionOptions } from "../options.ts";
import type { Admission, Admitted, Refused } from "../policy/admission.ts";
import type { Heartbeat } from "../policy/heartbeat.ts";
import { spreadWindowMs } from "../policy/jitter.ts";
import type { Random } from "../policy/random.ts";
import type { TimerWheel } from "../policy/timer_wheel.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type { Connect, Payload, Resume } from "../protocol/message.ts";
import { overloadedReason } from "../protocol/retry_after.ts";
import type { Transport } from "../transport/transport.ts";
import { type Access, type Identity, IdentityError, issuedMs } from "./rights/access.ts";
import type { Account } from "./limits/account.ts";
import { Attachment, type AttachmentOwner, GOING_AWAY } from "./attachment.ts";
import { within } from "./deadline.ts";
import type { Hooks } from "./hooks.ts";
import { LateLeave } from "./late_leave.ts";
import { type LimitCounts, type LimitName, noLimitCounts, ruleOf } from "./limits/limit_name.ts";
import type { Limits } from "./limits/limits.ts";
import type { Handover } from "./travel/nodes.ts";
import { Session, type SessionOwner } from "./session.ts";
import type { SessionContext } from "./session_context.ts";
import type { ArrivingSession, SessionDirectory } from "./travel/session_directory.ts";
import type { RpcHandler, SessionInfo } from "./session_info.ts";
import { createSessionRates, type SessionRates } from "./limits/session_rates.ts";
import type { SlowSession } from "./delivery/slow_session.ts";

export interface SessionRegistryOptions extends SessionContext {
  /** Decides whether the node takes one more session. */
  readonly admission: Admission;
  /** What users and addresses may use together. */
  readonly limits: Limits;
  /** How many clients a second come back to a node after a loss. */
  readonly returnsPerSecond: number;
  /** Spreads a drain. */
  readonly random: Random;
  /** Is told of sessions that read too slowly, after the turn in which it happens. */
  readonly onSlow?: (slow: SlowSession) => void;
}

/** All sessions of a node, attached or waiting for their client, and all transports. */
export class SessionRegistry implements AttachmentOwner, SessionOwner {
  readonly hub: Hub;
  readonly cork: Cork;
  readonly wheel: TimerWheel;
  readonly heartbeat: Heartbeat;
  readonly options: SessionOptions;
  readonly access: Access;
  readonly hooks: Hooks;
  readonly now: () => number;
  /** Set once, before the first transport. */
  directory: SessionDirectory | undefined;
  readonly rpc: Readonly<Record<string, RpcHandler>>;
  readonly onError: (error: unknown) => void;
  readonly rates: SessionRates;
  readonly #limited = noLimitCounts();
  readonly #leastSpreadMs: number;
  readonly #returnsPerSecond: number;
  readonly #onSlow: ((slow: SlowSession) => void) | undefined;
  readonly #admission: Admission;
  readonly #limits: Limits;
  readonly #random: Random;
  /** Every transport, with a session or without one yet. */
  readonly #attachments = new Set<Attachment>();
  readonly #sessions = new Map<string, Session>();
  /** The sessions that wait for their client, the longest waiting first. */
  readonly #detached = new Set<Session>();
  #closedAsSlow = 0;
  #refusedCommands = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  #closed = false;

  constructor(options: SessionRegistryOptions) {
    this.hub = options.hub;
    this.cork = options.cork;
    this.wheel = options.wheel;
    this.heartbeat = options.heartbeat;
    this.options = options.options;
    this.access = options.access;
    this.hooks = options.hooks;
    this.now = options.now;
    this.rpc = options.rpc;
    this.#leastSpreadMs = options.reconnectSpreadMs;
    this.#returnsPerSecond = options.returnsPerSecond;
    this.onError = options.onError;
    this.rates = createSessionRates(options.options, options.wheel.clock);
    this.#onSlow = options.onSlow;
    this.#admission = options.admission;
    this.#limits = options.limits;
    this.#random = options.random;
  }

  /**
   * Over how long a client that connects now is to spread its return, in milliseconds: as long as
   * all who are here by now need to come back, and no less than the option; 0 if that is 0.
   */
  get reconnectSpreadMs(): number {
    if (this.#leastSpreadMs === 0) return 0;
    return Math.max(this.#leastSpreadMs, Math.ceil(this.returnWindowMs));
  }

  /** How long all who are here need to come back at the rate that a node takes, in milliseconds. */
  get returnWindowMs(): number {
    return spreadWindowMs(this.#attachments.size, this.#returnsPerSecond);
  }

  /** How many sessions there are. */
  get count(): number {
    return this.#sessions.size;
  }

  /** How many of them wait for their client. */
  get detachedCount(): number {
    return this.#detached.size;
  }

  /** How many transports there are, those without a session yet included. */
  get transportCount(): number {
    return this.#attachments.size;
  }

  /** How many transports were closed because their peer read too slowly. */
  get closedAsSlow(): number {
    return this.#closedAsSlow;
  }

  /** How many commands of clients were refused because there were too many. */
  get refusedCommands(): number {
    return this.#refusedCommands;
  }

  /** How often each limit has stood against something. */
  get limitCounts(): LimitCounts {
    return this.#limited;
  }

  /** A session by its name. */
  get(id: string): SessionInfo | undefined {
    return this.#sessions.get(id);
  }

  /** Whether a client that has this ticket would get its session back. */
  keeps(resume: Pick<Resume, "session" | "ticket">): boolean {
    return this.#find(resume) !== undefined;
  }

  /** Takes a transport whose origin has passed: a `TransportAcceptor`. */
  readonly accept = (transport: Transport): Attachment => {
    const attachment = new Attachment(transport, this);
    this.#attachments.add(attachment);
    if (this.#drained !== undefined) attachment.close(CloseCode.SHUTDOWN, GOING_AWAY);
    return attachment;
  };

  /**
   * Tells every client that the node goes away, and closes each at its own moment within `overMs`
   * milliseconds, so that they come to other nodes one by one. Resolves once all are closed; new
   * transports are closed at once.
   */
  drain(overMs: number): Promise<void> {
    if (this.#drained !== undefined) return this.#drained.promise;
    this.#drained = Promise.withResolvers();
    for (const attachment of this.#attachments) attachment.drain(this.#random() * overMs);
    this.#resolveIfDrained();
    return this.#drained.promise;
  }

  /** Ends every transport now, and every session, unless they can go on at other nodes. */
  close(): void {
    for (const attachment of this.#attachments) attachment.close(CloseCode.SHUTDOWN, GOING_AWAY);
    const { directory } = this;
    this.#closed = true;
    for (const session of [...this.#sessions.values()]) {
      if (directory === undefined) session.end(CloseCode.SHUTDOWN, GOING_AWAY);
      else directory.park(session.id, session.depart().record);
    }
  }

  /** Called by an attachment with its first message. */
  connect(attachment: Attachment, connect: Connect): void {
    if (this.#drained !== undefined) return attachment.close(CloseCode.SHUTDOWN, GOING_AWAY);
    const infoBytes = connect.info?.bytes.byteLength ?? 0;
    if (infoBytes > MAX_INFO_BYTES) {
      return attachment.close(
        CloseCode.MESSAGE_TOO_LARGE,
        `The info of a session has at most ${MAX_INFO_BYTES} bytes: ${infoBytes}`,
      );
    }
    const visitor = this.#identify(attachment, connect);
    const entering = visitor instanceof Promise || this.#isElsewhere(connect.resume)
      ? this.#admit(attachment, connect, visitor)
      : this.#enter(attachment, connect, visitor);
    if (entering === undefined) return;
    attachment.hold();
    entering.catch((error) => this.#refuse(attachment, error));
  }

  /** All sessions of the node, by their name. */
  get all(): ReadonlyMap<string, Session> {
    return this.#sessions;
  }

  /** Gives a session up for another node, which says that its client has the ticket. */
  release(id: string, ticketHash: string): Handover | "refused" {
    const session = this.#sessions.get(id);
    return session?.acceptsHash(ticketHash) ? session.depart() : "refused";
  }

  /** Gives a session up that went on at another node while this one was cut off. */
  moved(id: string): void {
    this.#sessions.get(id)?.depart();
  }

  /** Ends a session, if there is one of this name. */
  disconnect(id: string, code: number, reason: string): void {
    this.#sessions.get(id)?.end(code, reason);
  }

  /** Ends every session of a user, or those whose token was issued before `notBefore`. */
  disconnectUser(user: string, code: number, reason: string, notBefore = Infinity): void {
    for (const session of this.#sessions.values()) {
      if (session.user !== user || issuedMs(session.claims) >= notBefore) continue;
      session.end(code, reason);
    }
  }

  /** Called by an attachment whose transport has ended. */
  attachmentEnded(attachment: Attachment): void {
    this.#attachments.delete(attachment);
    this.#resolveIfDrained();
  }

  /** Called by a session that has lost its transport. */
  sessionDetached(session: Session): void {
    this.#detached.add(session);
    if (this.#detached.size <= this.options.maxDetachedSessions) return;
    const [longest] = this.#detached;
    longest!.end(CloseCode.TRANSPORT_LOST, "Too many sessions wait for their client");
  }

  /** Called by a session that has ended. */
  sessionEnded(session: Session): void {
    this.#detached.delete(session);
    this.#sessions.delete(session.id);
    session.place.release();
    session.account.end();
  }

  /** Called by a session that has gone on at another node. */
  sessionDeparted(id: string, channels: readonly string[]): void {
    if (channels.length === 0) return;
    // A node that ends has nobody left to do it later: the other node's join, or the lease, does.
    if (this.#drained !== undefined || this.#closed) {
      for (const channel of channels) this.hub.forgetMember(channel, id);
    } else new LateLeave(this, id, channels, (id) => this.#sessions.has(id));
  }

  /** Called by a session or an attachment whose client reads too slowly. */
  slow(slow: SlowSession): void {
    if (slow.outcome === "disconnect" || slow.outcome === "timeout") this.#closedAsSlow++;
    const onSlow = this.#onSlow;
    if (onSlow === undefined) return;
    // Not here, in the middle of a delivery: the app may publish or close.
    queueMicrotask(() => {
      try {
        onSlow(slow);
      } catch (error) {
        this.onError(error);
      }
    });
  }

  /** Called by a session that has refused a command. */
  commandRefused(): void {
    this.#refusedCommands++;
  }

  /** Called where a limit has stood against something. */
  limited(limit: LimitName): void {
    this.#limited[limit]++;
  }

  ruleOf(limit: LimitName): string {
    return ruleOf(limit, this.options, this.#limits.limits);
  }

  /** Who the client is; at once where no token is shown and no app asked. */
  #identify(attachment: Attachment, connect: Connect): Visitor | Promise<Visitor> {
    const { info, token } = connect;
    const { onConnect } = this.hooks;
    try {
      const identity = this.access.identify(token);
      if (!(identity instanceof Promise) && onConnect === undefined) return { identity, info };
      return this.#ask(attachment, connect, identity);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #ask(
    { transport: { peer, kind } }: Attachment,
    { info, token, resume }: Connect,
    identifying: Identity | Promise<Identity>,
  ): Promise<Visitor> {
    const identity = await identifying;
    const { user, claims } = identity;
    const changes = await within(
      this.wheel,
      this.options.hookTimeoutMs,
      this.hooks.onConnect?.({
        user,
        claims,
        token,
        info,
        resumes: resume?.session,
        address: peer.address,
        origin: peer.origin,
        transport: kind,
      }),
    );
    return {
      identity: { ...identity, user: changes?.user ?? user },
      info: changes?.info ?? info,
    };
  }

  async #admit(
    attachment: Attachment,
    connect: Connect,
    visiting: Visitor | Promise<Visitor>,
  ): Promise<void> {
    // Who the client is comes first: one that is refused must not take a session from its node.
    const visitor = await visiting;
    const { directory } = this;
    const { resume } = connect;
    if (attachment.ended || directory === undefined || !this.#isElsewhere(resume)) {
      return await this.#enter(attachment, connect, visitor);
    }
    const arriving = await this.#take(directory, resume!);
    await this.#enter(attachment, connect, visitor, arriving);
    // No place, another user, a client that has gone meanwhile: it waits for the next try.
    if (arriving !== undefined && !this.#sessions.has(resume!.session)) {
      directory.park(resume!.session, arriving.record);
    }
  }

  /** The session that the client had at another node, if it names one that is not here. */
  async #take(directory: SessionDirectory, resume: Resume): Promise<ArrivingSession | undefined> {
    try {
      return await directory.take(resume);
    } catch (error) {
      // Redis is out of reach: the client begins a new session, at its positions.
      if (!(error instanceof CommandError)) this.onError(error);
      return undefined;
    }
  }

  /** Whether the client names a session that another node may have. */
  #isElsewhere(resume: Resume | undefined): boolean {
    return this.directory !== undefined && resume !== undefined &&
      this.#find(resume) === undefined;
  }

  /** There is a promise only where other nodes have to be asked. */
  #enter(
    attachment: Attachment,
    connect: Connect,
    visitor: Visitor,
    arriving?: ArrivingSession,
  ): void | Promise<void> {
    if (attachment.ended) return;
    if (this.#drained !== undefined) return attachment.close(CloseCode.SHUTDOWN, GOING_AWAY);
    const { user } = visitor.identity;
    const found = this.#find(connect.resume);
    const known = found ?? arriving?.record;
    if (known !== undefined && known.user !== user) {
      return attachment.close(CloseCode.UNAUTHORIZED, "The session is of another user");
    }
    if (found !== undefined) return this.#attach(found, attachment, connect, visitor);
    const { address: sentFrom, exempt } = attachment.transport.peer;
    const address = exempt ? undefined : sentFrom;
    const place = this.#admission.admit(address);
    if (!place.admitted) {
      const reason = overloadedReason(OVERLOADED[place.reason], place.retryAfterMs);
      return attachment.close(CloseCode.OVERLOADED, reason);
    }
    const begin = (account: Account | LimitName) => {
      const session = this.#create(
        attachment,
        visitor,
        place,
        account,
        arriving && {
          id: connect.resume!.session,
          arriving,
        },
      );
      if (session !== undefined) this.#attach(session, attachment, connect, visitor);
    };
    const account = this.#limits.open({ user, address }, arriving !== undefined);
    return account instanceof Promise ? account.then(begin) : begin(account);
  }

  #attach(
    session: Session,
    attachment: Attachment,
    connect: Connect,
    { identity }: Visitor,
  ): void {
    this.#detached.delete(session);
    session.attach(attachment, connect, identity);
    attachment.release();
  }

  #refuse(attachment: Attachment, error: unknown): void {
    if (error instanceof IdentityError) return attachment.close(error.closeCode, error.message);
    if (error instanceof CommandError) {
      const { code, message } = error;
      const ours = code >= 3000 && code < 5000;
      // The app was asked in vain: that says nothing against the client.
      const closeCode = code === ErrorCode.UNAVAILABLE
        ? CloseCode.INTERNAL_ERROR
        : CloseCode.UNAUTHORIZED;
      return attachment.close(ours ? code : closeCode, message);
    }
    this.onError(error);
    attachment.close(CloseCode.INTERNAL_ERROR, "Internal error");
  }

  #find(resume: Pick<Resume, "session" | "ticket"> | undefined): Session | undefined {
    if (resume === undefined) return undefined;
    const session = this.#sessions.get(resume.session);
    return session?.accepts(resume.ticket) ? session : undefined;
  }

  /** A new session, or `undefined` and the transport closed if a limit stands against it. */
  #create(
    attachment: Attachment,
    { identity, info }: Visitor,
    place: Admitted,
    account: Account | LimitName,
    from: { readonly id: string; readonly arriving: ArrivingSession } | undefined,
  ): Session | undefined {
    if (typeof account === "string") {
      place.release();
      this.limited(account);
      const retryAfterMs = LIMITED_RETRY_MS * (1 + this.#random() / 2);
      const reason = overloadedReason(this.ruleOf(account), retryAfterMs);
      attachment.close(CloseCode.OVERLOADED, reason);
      return undefined;
    }
    if (attachment.ended || this.#drained !== undefined) {
      place.release();
      account.end();
      attachment.close(CloseCode.SHUTDOWN, GOING_AWAY);
      return undefined;
    }
    const { id, arriving } = from ?? {};
    const known = arriving?.record.info ?? info;
    const session = new Session(this, place, account, known, identity, id);
    this.#sessions.set(session.id, session);
    if (arriving !== undefined) session.arrive(arriving);
    return session;
  }

  #resolveIfDrained(): void {
    if (this.#attachments.size === 0) this.#drained?.resolve();
  }
}

/** When a place falls free is unknown: long enough not to be a load, short enough to wait for. */
const LIMITED_RETRY_MS = 5000;

/** A client that is let in. */
interface Visitor {
  readonly identity: Identity;
  readonly info: Payload | undefined;
}

const OVERLOADED: Readonly<Record<Refused["reason"], string>> = {
  total: "The node takes no more sessions",
  address: "Too many sessions come from this address",
  rate: "Too many sessions come at once",
};

/** It travels to everyone in every join: enough for a name, a colour and a picture's address. */
const MAX_INFO_BYTES = 1024;
