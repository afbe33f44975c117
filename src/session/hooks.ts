import type { CloseInfo } from "../protocol/close_code.ts";
import type { Payload } from "../protocol/message.ts";
import type { TransportKind } from "../transport/transport.ts";
import type { Claims } from "./rights/access.ts";
import type { SessionInfo } from "./session_info.ts";

/** A client that wants to come in, or to go on with its session. */
export interface ConnectRequest {
  /** Who its token says that it is. */
  readonly user: string | undefined;
  readonly claims: Claims;
  /** What it has shown, for an app that reads tokens itself. Not to be logged. */
  readonly token: string | undefined;
  /** What it says of itself. */
  readonly info: Payload | undefined;
  /** It wants to go on with this session. */
  readonly resumes: string | undefined;
  /** IP address, without a port. */
  readonly address: string;
  readonly origin: string | undefined;
  readonly transport: TransportKind;
}

/** What an app knows better of a client. */
export interface ConnectChanges {
  readonly user?: string;
  /** What others see of it in presence; of no effect on a session that goes on. */
  readonly info?: Payload;
}

/** A client's publication, before it is one. */
export interface PublishRequest {
  readonly session: SessionInfo;
  readonly channel: string;
  readonly key: string | undefined;
  /** The client removes the key. */
  readonly removed: boolean;
  readonly data: Payload;
}

/** What is published in place of what the client sent. */
export interface PublishChanges {
  readonly data?: Payload;
}

/** A call of a client. */
export interface RpcRequest {
  readonly session: SessionInfo;
  readonly method: string;
  readonly data: Payload;
}

/**
 * What an app is asked before something happens. A `CommandError` that it throws refuses it: the
 * client gets its code and message, and of anything else that it was an internal error, while the
 * log has the stack. A hook that takes longer than `session.hookTimeoutMs` refuses with 503.
 *
 * A hook holds up its own session only: publications to one channel keep their order, other
 * commands go on.
 */
export interface Hooks {
  /**
   * A client connects, its origin has passed and its token holds. Refusing closes its transport:
   * with the error's code if that is one of 3000 to 4999, else with 3506, for good.
   */
  readonly onConnect?: (
    request: ConnectRequest,
  ) => ConnectChanges | void | Promise<ConnectChanges | void>;
  /** A client subscribes, and the permissions let it. */
  readonly onSubscribe?: (
    request: { readonly session: SessionInfo; readonly channel: string },
  ) => void | Promise<void>;
  /** A client publishes, and the permissions let it. */
  readonly onPublish?: (
    request: PublishRequest,
  ) => PublishChanges | void | Promise<PublishChanges | void>;
  /** A client calls a method. What is returned is the answer; without it `rpc` is looked at. */
  readonly onRpc?: (request: RpcRequest) => Payload | void | Promise<Payload | void>;
  /** A session has ended for good. What is thrown is logged. */
  readonly onDisconnect?: (session: SessionInfo, info: CloseInfo) => void | Promise<void>;
}
