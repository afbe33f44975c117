import { httpRequests, sseMessages, webSocketFrames, webSocketMessages } from "./tcp_attacks.ts";
import type { Attack } from "./visit.ts";
import {
  http3Streams,
  webTransportDatagrams,
  webTransportMessages,
} from "./webtransport_attacks.ts";

/** The attacks by name, and which share of the messages each sends. */
export const ATTACKS: Readonly<
  Record<string, { readonly attack: Attack; readonly share: number }>
> = {
  "WebTransport, messages": { attack: webTransportMessages, share: 0.15 },
  "WebTransport, datagrams": { attack: webTransportDatagrams, share: 0.1 },
  "WebTransport, HTTP/3 streams": { attack: http3Streams, share: 0.1 },
  "WebSocket, messages": { attack: webSocketMessages, share: 0.2 },
  "WebSocket, frames": { attack: webSocketFrames, share: 0.15 },
  "SSE + POST, messages": { attack: sseMessages, share: 0.15 },
  "SSE + POST, requests": { attack: httpRequests, share: 0.15 },
};
