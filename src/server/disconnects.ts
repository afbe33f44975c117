import type { Authenticator } from "../auth/authenticator.ts";
import type { Hub } from "../hub/hub.ts";
import { NODES_CHANNEL } from "../hub/namespaces.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { SessionRegistry } from "../session/session_registry.ts";
import { ServerSubscription } from "./server_subscription.ts";

/** Whose sessions end: one by its id, or all of a user. */
export type DisconnectTarget = { readonly session: string } | { readonly user: string };

/** How sessions are ended. */
export interface DisconnectOptions {
  /**
   * With which code, 3000 to 4999; its range says whether the client comes back.
   * @default CloseCode.DISCONNECTED
   */
  readonly code?: number;
  /** What the client is told. */
  readonly reason?: string;
  /**
   * Only of a user: ends the sessions alone whose token was issued (`iat`) before this time, in
   * milliseconds since 1970, and lets no such token in for a day.
   */
  readonly notBefore?: number;
}

export interface DisconnectsOptions {
  readonly hub: Hub;
  readonly sessions: SessionRegistry;
  readonly authenticator: Authenticator | undefined;
  /** Whether there are other nodes, which are told by {@linkcode NODES_CHANNEL}. */
  readonly shared: boolean;
  readonly onError: (error: unknown) => void;
}

/**
 * Ends sessions on whatever node they are. A node that is cut off from Redis learns of it when it
 * is back, as subscribers of an `ordered` channel do.
 */
export class Disconnects {
  readonly #options: DisconnectsOptions;

  private constructor(options: DisconnectsOptions) {
    this.#options = options;
  }

  static async open(options: DisconnectsOptions): Promise<Disconnects> {
    const disconnects = new Disconnects(options);
    const { hub, shared, onError } = options;
    if (shared) {
      await hub.subscribe(
        NODES_CHANNEL,
        new ServerSubscription({
          onPublication: ({ data }) => disconnects.#apply(JSON.parse(decoder.decode(data.bytes))),
          onGap: () => onError(new Error("Sessions that other nodes have ended may live on here")),
        }),
      );
    }
    return disconnects;
  }

  /** Ends them on this node at once; resolves when the other nodes will hear of it. */
  async disconnect(target: DisconnectTarget, options: DisconnectOptions): Promise<void> {
    const { code = CloseCode.DISCONNECTED, reason = "The server has ended the session" } = options;
    if (!Number.isInteger(code) || code < 3000 || code > 4999) {
      throw new RangeError(`A close code must be one of 3000 to 4999: ${code}`);
    }
    const order: Order = { ...target, code, reason, notBefore: options.notBefore };
    this.#apply(order);
    const { hub, shared } = this.#options;
    if (!shared) return;
    const bytes = encoder.encode(JSON.stringify(order));
    await hub.publish({ channel: NODES_CHANNEL, data: { format: "json", bytes } });
  }

  #apply(order: Order): void {
    const { sessions, authenticator } = this.#options;
    const { code, reason, notBefore } = order;
    if ("session" in order) return sessions.disconnect(order.session, code, reason);
    if (notBefore !== undefined) authenticator?.revoke(order.user, notBefore);
    sessions.disconnectUser(order.user, code, reason, notBefore);
  }
}

/** What nodes tell one another. */
type Order = DisconnectTarget & {
  readonly code: number;
  readonly reason: string;
  readonly notBefore: number | undefined;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();
