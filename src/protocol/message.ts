/**
 * Everything that a client and a server say to each other: one union each way. The codecs
 * (`binary.ts`, `json.ts`) are dialects of it; a session knows no encoding.
 *
 * A command carries an `id` above 0, unique and rising within its session, and its answer
 * carries the same `id`: `connected`, `subscribed`, `unsubscribed`, `published`, `members`,
 * `history`, `result`, `refreshed` or `error`.
 */

/** What is published: opaque to the server. `json` bytes are UTF-8 JSON text. */
export interface Payload {
  readonly format: "json" | "binary";
  readonly bytes: Uint8Array;
}

/**
 * A place in a channel's history. The epoch names one unbroken history: offsets of two epochs
 * cannot be compared, as after a broker lost its data.
 */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * One published value. Offsets count from 1 without holes within an epoch. In a `latest` channel
 * the offset is also the version of the publication's key.
 */
export interface Publication {
  readonly channel: string;
  readonly offset: number;
  /** When the broker took it, in milliseconds since 1970. */
  readonly time: number;
  /** The key whose newest value this is; only in `latest` channels. */
  readonly key?: string;
  /** The key is gone; `data` is empty. */
  readonly removed?: true;
  /** The session that published it; absent if the server did. */
  readonly publisher?: string;
  readonly data: Payload;
}

/** One session that is present in a channel. */
export interface Member {
  readonly session: string;
  /** Who its client has proved to be. */
  readonly user?: string;
  /** What the session said of itself when it connected. */
  readonly info?: Payload;
}

/** How a channel delivers: every publication in order, or the newest of each key. */
export type Delivery = "ordered" | "latest";

/** The first message of every transport: a new session, or one that continues. */
export interface Connect {
  readonly type: "connect";
  readonly id: number;
  /** What others see of this session in presence; at most 1 KiB. */
  readonly info?: Payload;
  /** Proves who the client is: a JSON Web Token, or a ticket of `POST /rt/ticket`; at most 8 KiB. */
  readonly token?: string;
  /** The session to continue. If it is not there any more, a new one begins. */
  readonly resume?: Resume;
}

/** Names a session, proves it, and says what of each channel has been seen. */
export interface Resume {
  readonly session: string;
  /** The secret of the last `connected`. */
  readonly ticket: string;
  readonly positions: readonly ChannelPosition[];
}

export interface ChannelPosition extends Position {
  readonly channel: string;
}

export interface Subscribe {
  readonly type: "subscribe";
  readonly id: number;
  readonly channel: string;
  /** A JSON Web Token that names the channel, where its namespace asks for one; at most 8 KiB. */
  readonly token?: string;
  /**
   * The keys of a `latest` channel that are wanted; without it all are. Others are never sent.
   */
  readonly keys?: readonly string[];
  /** Where to go on; without it delivery begins with the next publication. */
  readonly position?: Position;
}

/** Changes which keys a subscription wants: one that was made with `keys`. */
export interface Track {
  readonly type: "track";
  readonly id: number;
  readonly channel: string;
  /** The newest value of each follows. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export interface Unsubscribe {
  readonly type: "unsubscribe";
  readonly id: number;
  readonly channel: string;
}

export interface Publish {
  readonly type: "publish";
  /** 0: no acknowledgement wanted. */
  readonly id: number;
  readonly channel: string;
  /** Required in `latest` channels, forbidden in `ordered` ones. */
  readonly key?: string;
  /** Removes the key; `data` is empty. */
  readonly removed?: true;
  readonly data: Payload;
}

export interface PresenceQuery {
  readonly type: "presence";
  readonly id: number;
  readonly channel: string;
}

export interface HistoryQuery {
  readonly type: "history";
  readonly id: number;
  readonly channel: string;
  /** Only what came after it; without it the newest `limit` publications. */
  readonly since?: Position;
  readonly limit: number;
}

export interface Rpc {
  readonly type: "rpc";
  readonly id: number;
  readonly method: string;
  readonly data: Payload;
}

/** Proves anew who the client is, before what it has shown last expires. */
export interface Refresh {
  readonly type: "refresh";
  readonly id: number;
  /** As of `connect`, and of the same user. */
  readonly token: string;
}

/** Asks the other end for a `pong` with the same `id`; from either end. */
export interface Ping {
  readonly type: "ping";
  readonly id: number;
}

export interface Pong {
  readonly type: "pong";
  readonly id: number;
}

/**
 * Which of the latest numbered messages (`Mark`) have come: every number up to `newest`, over the
 * last {@linkcode MARK_WINDOW}, but those in `missing`. Sent while marks come in, as a datagram.
 */
export interface Seen {
  readonly type: "seen";
  readonly newest: number;
  readonly missing: readonly number[];
}

/** Marks that a `seen` tells of; what is older is neither seen nor missing. */
export const MARK_WINDOW = 64;

/** How old what has come lately was when it came, in milliseconds: a sample, now and then. */
export interface Age {
  readonly type: "age";
  readonly channel: string;
  readonly ageMs: number;
}

/** A server's pong tells its time, in milliseconds since 1970: how old a publication is. */
export interface ServerPong extends Pong {
  readonly time?: number;
}

/** The client leaves for good: its session ends now, not after the resume window. */
export interface Leave {
  readonly type: "leave";
}

export type ClientMessage =
  | Connect
  | Subscribe
  | Unsubscribe
  | Track
  | Publish
  | PresenceQuery
  | HistoryQuery
  | Rpc
  | Refresh
  | Ping
  | Pong
  | Seen
  | Age
  | Leave;

export interface Connected {
  readonly type: "connected";
  readonly id: number;
  /** Public name of the session, as in `Publication.publisher` and `Member.session`. */
  readonly session: string;
  /** Secret that continues this session. */
  readonly ticket: string;
  /**
   * The session that was asked for goes on, with its subscriptions: a publish that was not answered
   * may be sent again under its old id, and is done once.
   */
  readonly resumed: boolean;
  /** How long the session waits for its client after a transport is lost. */
  readonly resumeWindowMs: number;
  /** 0: the server sends no pings. */
  readonly pingIntervalMs: number;
  readonly pingMisses: number;
  /** A client that loses its transport unannounced spreads its return over this time. */
  readonly reconnectSpreadMs: number;
  readonly maxMessageBytes: number;
  /** How long the client's token still holds; absent if it never expires, or none was shown. */
  readonly expiresInMs?: number;
}

/**
 * A subscription runs, from `position` on. It is the first message on the subscription's lane,
 * so that nothing of the subscription can precede it. After a resume it comes unasked, `id` 0.
 */
export interface Subscribed {
  readonly type: "subscribed";
  readonly id: number;
  readonly channel: string;
  readonly delivery: Delivery;
  readonly position: Position;
  /**
   * Whether everything after the position asked for follows. If not, publications between it
   * and `position` are missing. True where no position was asked for.
   */
  readonly recovered: boolean;
}

export interface Unsubscribed {
  readonly type: "unsubscribed";
  /** 0: the server ended the subscription, for `reason`. */
  readonly id: number;
  readonly channel: string;
  readonly code: number;
  readonly reason: string;
}

/** The keys were changed; the values of those that were added precede it or follow. */
export interface Tracked {
  readonly type: "tracked";
  readonly id: number;
  readonly channel: string;
}

export interface Published {
  readonly type: "published";
  readonly id: number;
  readonly position: Position;
}

export interface Members {
  readonly type: "members";
  readonly id: number;
  readonly channel: string;
  readonly members: readonly Member[];
}

export interface History {
  readonly type: "history";
  readonly id: number;
  readonly channel: string;
  readonly publications: readonly Publication[];
  /** The newest position of the channel. */
  readonly position: Position;
  /** Whether nothing is missing between `since` and the first publication. */
  readonly complete: boolean;
}

export interface Result {
  readonly type: "result";
  readonly id: number;
  readonly data: Payload;
}

export interface Refreshed {
  readonly type: "refreshed";
  readonly id: number;
  /** How long the token holds; absent if it never expires. */
  readonly expiresInMs?: number;
}

export interface ErrorReply {
  readonly type: "error";
  readonly id: number;
  /** One of `ErrorCode` (`error_code.ts`). */
  readonly code: number;
  readonly message: string;
}

export interface PublicationMessage extends Publication {
  readonly type: "publication";
}

/** Publications of a channel were not delivered; delivery goes on after `position`. */
export interface Gap {
  readonly type: "gap";
  readonly channel: string;
  readonly position: Position;
  /** How many are missing; absent if nobody knows, as after a change of epoch. */
  readonly missed?: number;
}

export interface PresenceEvent {
  readonly type: "join" | "leave";
  readonly channel: string;
  readonly member: Member;
}

/**
 * Numbers what it comes with: the rest of a datagram, or what precedes it on the control lane. The
 * client tells by `Seen` which have come.
 */
export interface Mark {
  readonly type: "mark";
  /** Rises by one within a transport, from 1. */
  readonly number: number;
}

/** This node goes away: the transport is closed with 3000 in `delayMs`; other nodes may be there. */
export interface Drain {
  readonly type: "drain";
  readonly delayMs: number;
}

/** The last message of a transport: the same code and reason on every kind of it. */
export interface Close {
  readonly type: "close";
  readonly code: number;
  readonly reason: string;
}

export type ServerMessage =
  | Connected
  | Subscribed
  | Unsubscribed
  | Tracked
  | Published
  | Members
  | History
  | Result
  | Refreshed
  | ErrorReply
  | PublicationMessage
  | Gap
  | PresenceEvent
  | Ping
  | ServerPong
  | Mark
  | Drain
  | Close;
