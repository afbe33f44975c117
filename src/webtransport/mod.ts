/**
 * WebTransport over HTTP/3 on Deno's QUIC: a server whose app sees the CONNECT request before the
 * answer, and sessions with streams, datagrams, close codes and reasons both ways. It needs
 * `--unstable-net` and knows nothing of the rest of Slipstream.
 *
 * ```ts
 * const server = new WebTransportServer({
 *   port: 4433,
 *   cert,
 *   key,
 *   async onWebTransport(request) {
 *     if (request.origin !== "https://game.example") return request.reject(403);
 *     const session = await request.accept();
 *     session.datagrams.onDatagram = (payload) => session.datagrams.send(payload);
 *   },
 * });
 * server.listen();
 * ```
 *
 * @module
 */

export { WebTransportServer, type WebTransportServerOptions } from "./server.ts";
export type { WebTransportAcceptOptions, WebTransportRequest } from "./connect.ts";
export type {
  WebTransportBidirectionalStream,
  WebTransportSession,
  WebTransportStreamOptions,
} from "./session.ts";
export type { WebTransportCloseInfo } from "./close_capsule.ts";
export type { WebTransportDatagrams } from "./datagrams.ts";
export { toWebTransportError } from "./error.ts";
export { WEBTRANSPORT_DEFAULTS, type WebTransportOptions } from "./options.ts";
export type { RequestHandler, RequestInfo } from "../http3/fetch.ts";
export type { Certificate } from "../http3/listener.ts";
export type { Http3Options } from "../http3/options.ts";
