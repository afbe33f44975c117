import type { Namespace } from "../../hub/namespaces.ts";
import { EMPTY } from "../../policy/rate_limit.ts";
import { CommandError, ErrorCode } from "../../protocol/error_code.ts";
import type { Payload, Publish, Subscribe } from "../../protocol/message.ts";
import type { Identity } from "./access.ts";
import { within } from "../deadline.ts";
import { type Action, allows } from "./permission.ts";
import { PublishTurns } from "../publish_turns.ts";
import type { SessionContext } from "../session_context.ts";
import type { SessionInfo } from "../session_info.ts";
import type { SessionRates } from "../limits/session_rates.ts";
import { TokenExpiry } from "./token_expiry.ts";

/** What rights need of the node. */
export interface RightsContext extends SessionContext {
  readonly rates: SessionRates;
}

/** Whose rights they are. */
export interface RightsOwner extends SessionInfo {
  /** The token that has opened `channel` to it is no good any more. */
  channelExpired(channel: string): void;
}

/**
 * What one session may do, by who its client is, the permissions of namespaces and the app's hooks.
 * What is not allowed throws a {@linkcode CommandError} with 403. Where the app is asked, or a token
 * is to be read, there is a promise; else the answer is there at once.
 */
export class Rights {
  readonly #context: RightsContext;
  readonly #session: RightsOwner;
  #identity: Identity;
  /** The channel that was published to last, if nothing has to be asked: mostly the next as well. */
  #publishable: string | undefined;
  /** By channel, what its token is good for; bounded by `maxSubscriptions`. */
  #grants: Map<string, TokenExpiry> | undefined;
  #turns: PublishTurns | undefined;
  /** When the bucket of {@linkcode SessionRates.tokens} is full again. */
  #tokensFullAtMs = 0;

  constructor(context: RightsContext, session: RightsOwner, identity: Identity) {
    this.#context = context;
    this.#session = session;
    this.#identity = identity;
  }

  get identity(): Identity {
    return this.#identity;
  }

  set identity(identity: Identity) {
    this.#identity = identity;
    this.#publishable = undefined;
  }

  /** Who shows `token` in the session. */
  async identify(token: string): Promise<Identity> {
    this.#chargeToken();
    return await this.#context.access.identify(token);
  }

  /** Resolves with whether the subscription is told of joins and leaves. */
  subscribe(message: Subscribe): boolean | Promise<boolean> {
    const { channel, token } = message;
    const namespace = this.#namespaceOf(channel);
    const { subscribe, presence } = namespace.permissions;
    const asks = token !== undefined || this.#context.hooks.onSubscribe !== undefined ||
      typeof subscribe === "function" || typeof presence === "function";
    if (asks) return this.#askToSubscribe(channel, token, namespace);
    if (!this.#allows(subscribe, channel)) throw refused("subscribe", channel);
    return namespace.presence && this.#allows(presence, channel);
  }

  /** Judges anew a subscription that goes on, by what can be said without asking. */
  keep(channel: string): void {
    const grant = this.#grants?.get(channel);
    if (grant?.expired) {
      throw new CommandError(
        ErrorCode.UNAUTHORIZED,
        `The token for the channel has expired: "${channel}"`,
      );
    }
    const { subscribe } = this.#namespaceOf(channel).permissions;
    if (typeof subscribe !== "function" && !this.#allows(subscribe, channel)) {
      throw refused("subscribe", channel);
    }
  }

  /** Forgets the token of a channel, with the subscription that it was for. */
  forget(channel: string): void {
    this.#grants?.get(channel)?.stop();
    this.#grants?.delete(channel);
  }

  /** Calls `publish` if the client may, with what the app lets through, in the client's order. */
  publish<Result>(
    message: Publish,
    publish: (message: Publish, data: Payload) => Promise<Result>,
  ): Promise<Result> {
    const { channel, data } = message;
    const { onPublish } = this.#context.hooks;
    if (onPublish === undefined && channel === this.#publishable) return publish(message, data);
    const permission = this.#namespaceOf(channel).permissions.publish;
    const asks = typeof permission === "function";
    if (!asks && !this.#allows(permission, channel)) throw refused("publish", channel);
    if (onPublish === undefined && !asks) {
      // A token's channel is looked at each time: the token may expire.
      if (this.#grants === undefined) this.#publishable = channel;
      return publish(message, data);
    }
    const changed = asks ? this.#askToPublish(message) : this.#change(message);
    // What the app answers at once need not wait, unless something before it does.
    if (!(changed instanceof Promise) && !this.#turns?.has(channel)) {
      return publish(message, changed);
    }
    this.#turns ??= new PublishTurns();
    return this.#turns.take(
      channel,
      Promise.resolve(changed),
      (changed) => publish(message, changed),
    );
  }

  /** For what neither begins nor publishes. */
  require(action: "presence" | "history", channel: string): void | Promise<void> {
    const permission = this.#namespaceOf(channel).permissions[action];
    if (typeof permission === "function") return this.#ask(action, channel);
    if (!this.#allows(permission, channel)) throw refused(action, channel);
  }

  /** What the app answers to a call; `undefined` if it leaves that to others. */
  async askRpc(method: string, data: Payload): Promise<Payload | undefined> {
    const { hooks, wheel, options } = this.#context;
    const { onRpc } = hooks;
    if (onRpc === undefined) return undefined;
    const session = this.#session;
    const answer = onRpc({ session, method, data });
    return await within(wheel, options.hookTimeoutMs, answer) ?? undefined;
  }

  /** The session has ended. */
  end(): void {
    for (const grant of this.#grants?.values() ?? []) grant.stop();
  }

  async #askToSubscribe(
    channel: string,
    token: string | undefined,
    { permissions, presence }: Namespace,
  ): Promise<boolean> {
    const { access, hooks, wheel, options } = this.#context;
    const session = this.#session;
    if (token !== undefined) {
      this.#chargeToken();
      const expiresMs = await access.openChannel(token, channel, this.#identity.user);
      this.forget(channel);
      const grant = new TokenExpiry(wheel, () => session.channelExpired(channel));
      grant.set(expiresMs);
      this.#publishable = undefined;
      (this.#grants ??= new Map()).set(channel, grant);
    }
    await this.#ask("subscribe", channel);
    const asked = hooks.onSubscribe?.({ session, channel });
    await within(wheel, options.hookTimeoutMs, asked);
    return presence && await this.#decide("presence", permissions.presence, channel);
  }

  async #askToPublish(message: Publish): Promise<Payload> {
    await this.#ask("publish", message.channel);
    return await this.#change(message);
  }

  /** What is published of what the client sent, as the app has it. */
  #change(message: Publish): Payload | Promise<Payload> {
    const { channel, key, removed = false, data } = message;
    const { hooks, wheel, options } = this.#context;
    const session = this.#session;
    const asked = hooks.onPublish?.({ session, channel, key, removed, data });
    // Whatever can be waited for is: a refusal must not be passed over for whose promise it is in.
    if (asked === undefined || !("then" in asked)) return asked?.data ?? data;
    const answered = within(wheel, options.hookTimeoutMs, Promise.resolve(asked));
    return Promise.resolve(answered).then((changes) => changes?.data ?? data);
  }

  async #ask(action: Action, channel: string): Promise<void> {
    const permission = this.#namespaceOf(channel).permissions[action];
    if (!await this.#decide(action, permission, channel)) throw refused(action, channel);
  }

  #chargeToken(): void {
    const fullAtMs = this.#context.rates.tokens.take(this.#tokensFullAtMs);
    if (fullAtMs === EMPTY) {
      throw new CommandError(ErrorCode.TOO_MANY, "Tokens come faster than they are read: too many");
    }
    this.#tokensFullAtMs = fullAtMs;
  }

  #decide(
    action: Action,
    permission: Namespace["permissions"][Action],
    channel: string,
  ): boolean | Promise<boolean> {
    if (typeof permission !== "function") return this.#allows(permission, channel);
    const { wheel, options } = this.#context;
    const asked = permission({ session: this.#session, action, channel });
    return within(wheel, options.hookTimeoutMs, asked);
  }

  #allows(
    rule: Exclude<Namespace["permissions"][Action], (...args: never) => unknown>,
    channel: string,
  ): boolean {
    if (typeof rule === "boolean") return rule;
    const granted = this.#grants?.get(channel)?.expired === false;
    return allows(rule, this.#identity, channel, granted);
  }

  #namespaceOf(channel: string): Namespace {
    return this.#context.hub.namespaces.of(channel);
  }
}

const DOING: Readonly<Record<Action, string>> = {
  subscribe: "subscribe to",
  publish: "publish to",
  presence: "see who is in",
  history: "read the history of",
};

function refused(action: Action, channel: string): CommandError {
  return new CommandError(
    ErrorCode.FORBIDDEN,
    `The client may not ${DOING[action]} this channel: "${channel}"`,
  );
}
