/**
 * Why a transport was closed. The range carries the reconnect policy: 3000–3499 come back,
 * 3500–3999 do not; 4000–4499 and 4500–4999 mean the same for applications.
 */
export const CloseCode = {
  /** The node drains or shuts down. */
  SHUTDOWN: 3000,
  /** Nothing was heard of the peer for the heartbeat's whole patience. */
  PING_TIMEOUT: 3001,
  /** The peer does not read what is queued for it. */
  SLOW_CONSUMER: 3002,
  /** No `connect` came in time. */
  CONNECT_TIMEOUT: 3003,
  /** The transport ended without a close: cut, reset or abandoned. */
  TRANSPORT_LOST: 3004,
  /** The server failed; the fault is not the peer's. */
  INTERNAL_ERROR: 3005,
  /** The server takes no more sessions at the moment. */
  OVERLOADED: 3006,
  /** The token of the session has expired: come back with a new one. */
  TOKEN_EXPIRED: 3007,
  /** The client left for good, or closed the transport in good order. */
  LEFT: 3500,
  /** The peer broke the protocol. */
  PROTOCOL_ERROR: 3501,
  /** A message was over the limit. */
  MESSAGE_TOO_LARGE: 3502,
  /** The session goes on over another transport. */
  REPLACED: 3503,
  /** The peer speaks no subprotocol of ours. */
  UNSUPPORTED_PROTOCOL: 3504,
  /** The peer sends more than a peer may. */
  FLOODING: 3505,
  /** Who the peer is was not proved, or is not let in. */
  UNAUTHORIZED: 3506,
  /** The application has ended the session. */
  DISCONNECTED: 3507,
} as const;

/** Why and how a transport or a session ended. */
export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
}

/** Whether a client that is closed with `code` comes back. Codes of other systems: yes. */
export function mayReconnect(code: number): boolean {
  return !(code >= 3500 && code < 4000 || code >= 4500 && code < 5000);
}
