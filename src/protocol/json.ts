/**
 * The readable dialect, `slipstream.v1.json`: each message is one JSON object (RFC 8259) with the
 * fields of `message.ts` and without line breaks, so that several can be joined by "\n".
 *
 * A payload of format `json` is embedded as it is, in `data` (or `info`); one of format `binary`,
 * or one that claims to be JSON and is none, is base64 (RFC 4648 §4) in `data64` (or `info64`) and
 * arrives as `binary`. The empty payload of a removal is left out. Numbers that a double cannot
 * hold reach the other side as the nearest double when a client publishes them in this dialect.
 *
 * The decoders throw a {@linkcode ProtocolError} for whatever is not exactly one message. Of a
 * client's message every field is checked, and there may be no others; a server's is trusted to mean
 * what it says, and may have others for the sake of older clients.
 *
 * @module
 */
export { decodeClientMessage, encodeClientMessage } from "./json_client.ts";
export { decodeServerMessage, encodeServerMessage } from "./json_server.ts";
