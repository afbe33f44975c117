import type { CloseInfo } from "../protocol/close_code.ts";
import type { Encoding } from "../protocol/encoded_message.ts";
import type { Channel } from "./channel.ts";
import type { Traffic } from "./link.ts";
import type { Fallback } from "./race.ts";
import type { TokenSource } from "./token.ts";
import type { TransportKind } from "./transports/transport.ts";

/**
 * - `connecting`: for the first time.
 * - `connected`.
 * - `reconnecting`: the transport was lost; subscriptions wait, and go on where they were.
 * - `closed`: for good.
 */
export type ClientState = "connecting" | "connected" | "reconnecting" | "closed";

/** How to connect. */
export interface ConnectOptions {
  /**
   * Which transports may be used, best first. One that worked last with this server goes first
   * all the same, so a single one forces it.
   *
   * @default ["webtransport", "websocket", "sse"]
   */
  readonly transports?: readonly TransportKind[];
  /**
   * How long the client is content with a transport that is not its first choice before it tries a
   * better one, in milliseconds, and how long one that has stalled is avoided. Both double with each
   * time, up to thirty times as long; `Infinity` never tries.
   *
   * @default 60000
   */
  readonly upgradeAfterMs?: number;
  /**
   * Proves who the client is: a JSON Web Token or a ticket; or a function that gets one. It is
   * asked for each attempt to connect, and again before the token expires.
   */
  readonly token?: TokenSource;
  /** What other sessions see of this one in presence: a JSON value or bytes, at most 1 KiB. */
  readonly info?: unknown;
  /**
   * What is spoken on a WebSocket; `json` can be read in a browser's tools.
   *
   * @default "binary"
   */
  readonly encoding?: Encoding;
  /**
   * Commands that may wait for the server, in count; more are rejected.
   *
   * @default 1024
   */
  readonly maxPendingCommands?: number;
  /**
   * What the commands that wait for the server may carry, in bytes; more is rejected.
   *
   * @default 4194304
   */
  readonly maxPendingBytes?: number;
  /**
   * One message from the server, in bytes; a larger one closes the client. The default is the
   * server's default of 256 publications kept, each of the largest size.
   *
   * @default 16777216
   */
  readonly maxIncomingBytes?: number;
}

/** What a client's listeners hear of, by the name of the event. */
export interface ClientEvents {
  /** The state has changed. */
  state: ClientState;
  /**
   * Another transport is in use, told once when the session has moved to it; `undefined` while none
   * is. `fallbacks` says why it is not a better one.
   */
  transport: TransportKind | undefined;
  /** The server goes away, and closes this client's transport in `delayMs`; others may be there. */
  drain: { readonly delayMs: number };
  /** An attempt to connect failed, or something that nobody waits for; the client goes on. */
  error: Error;
  /** The client is closed for good; nothing follows. */
  close: CloseInfo;
}

/** One session with the server, over whatever transport there is. */
export interface Client {
  readonly state: ClientState;
  /** The transport in use. */
  readonly transport: TransportKind | undefined;
  /** Smoothed round-trip time in milliseconds; `undefined` before it was measured. */
  readonly rttMs: number | undefined;
  /** The public name of the session; `undefined` before the client is connected. */
  readonly session: string | undefined;
  /** The transports that were preferred to the one in use, and why each is not in use. */
  readonly fallbacks: readonly Fallback[];
  /** Messages and bytes in and out, over all transports so far. */
  readonly stats: Readonly<Traffic>;
  /** Resolves when the client is connected for the first time; rejects if it is closed before. */
  readonly ready: Promise<void>;
  /** Resolves when the client is closed, with code and reason. */
  readonly closed: Promise<CloseInfo>;
  /** Adds a listener and returns what removes it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (value: ClientEvents[Name]) => void,
  ): () => void;
  /**
   * A channel by its name; the values in it are taken for `T`, unchecked.
   *
   * @throws {TypeError} If the name has half of a surrogate pair.
   */
  channel<T = unknown>(name: string): Channel<T>;
  /** Calls a method of the server's application; resolves with its result. */
  rpc<T = unknown>(method: string, data?: unknown): Promise<T>;
  /** Measures the round-trip time now, without waiting for it; does nothing unless connected. */
  ping(): void;
  /**
   * Moves to the best of these transports, with the session: nothing is lost. Further attempts
   * use them too.
   */
  use(transports: readonly TransportKind[]): void;
  /** Leaves for good: the server ends the session now. Idempotent. */
  close(code?: number, reason?: string): void;
}
