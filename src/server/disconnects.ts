import type { Authenticator } from "../auth/authenticator.ts";
import type { Hub } from "../hub/hub.ts";
import { NODES_CHANNEL, REVOKED_CHANNEL } from "../hub/namespaces.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { Publication } from "../protocol/message.ts";
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
  /** Whether there are other nodes. */
  readonly shared: boolean;
  readonly onError: (error: unknown) => void;
}

/**
 * Ends sessions on whatever node they are. Nodes hear of it by two channels: {@linkcode NODES_CHANNEL}
 * is `ordered`, so that one which was cut off from Redis learns of it when it is back; tokens are
 * refused by {@linkcode REVOKED_CHANNEL}, which is `latest`: one that starts learns of that as well.
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
      const onPublication = ({ data }: Publication) =>
        disconnects.#apply(JSON.parse(decoder.decode(data.bytes)));
      const onGap = () =>
        onError(new Error("Sessions that other nodes have ended may live on here"));
      await hub.subscribe(NODES_CHANNEL, new ServerSubscription({ onPublication, onGap }));
      await hub.subscribe(REVOKED_CHANNEL, new ServerSubscription({ onPublication }));
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
    const data = { format: "json", bytes: encoder.encode(JSON.stringify(order)) } as const;
    await hub.publish(
      "user" in order && order.notBefore !== undefined
        ? { channel: REVOKED_CHANNEL, key: order.user, data }
        : { channel: NODES_CHANNEL, data },
    );
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
