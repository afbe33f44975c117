/**
 * The client of a Slipstream server, for browsers, Deno and Node.
 *
 * ```ts
 * const client = connect("https://localhost:4433");
 * const lobby = client.channel<string>("chat:lobby");
 * lobby.subscribe({ onPublication: ({ data }) => show(data) });
 * await lobby.publish("hello");
 * ```
 *
 * @module
 */
export { connect } from "./connect.ts";
export type { Client, ClientEvents, ClientState, ConnectOptions } from "./client.ts";
export type { Channel, ChannelHistory, HistoryOptions, PublishOptions } from "./channel.ts";
export type { ChannelGap, PresentMember, SubscribeOptions, Subscription } from "./subscription.ts";
export type { ReceivedPublication } from "./publication.ts";
export type { Traffic } from "./link.ts";
export type { Fallback } from "./race.ts";
export type { TokenSource } from "./token.ts";
export type { TransportKind } from "./transports/transport.ts";
export { ClosedError, OutcomeUnknownError } from "./errors.ts";
export { HttpError } from "./http_error.ts";
export { RaceLostError } from "./race.ts";
export { CommandError, ErrorCode } from "../protocol/error_code.ts";
export { CloseCode, type CloseInfo } from "../protocol/close_code.ts";
export type { Delivery, Position } from "../protocol/message.ts";
export type { Encoding } from "../protocol/encoded_message.ts";
