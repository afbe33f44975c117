/**
 * The compact dialect, `slipstream.v1.binary`. A frame is a varint length and then that many
 * bytes, the message: one type byte and the fields of the type, in the order in which
 * `client_shapes.ts` and `server_shapes.ts` list them (`publish` and `publication`: `binary_*.ts`).
 *
 * - varint: RFC 9000 §16, from 0 to 2^53 - 1.
 * - string: varint length in bytes, UTF-8.
 * - bool: one byte, 0 or 1.
 * - position: string epoch, varint offset.
 * - payload: one byte (0 absent, 1 JSON, 2 binary); unless absent, varint length and bytes.
 * - trailing payload: one byte (1 JSON, 2 binary), and the rest of the message.
 * - resume: bool; if 1: string session, string ticket, and until the end: string channel, position.
 * - delivery: one byte (0 ordered, 1 latest).
 * - member: string session, payload info. members: such, until the end.
 * - with `?`: left out at the end of the message if it is absent.
 *
 * The decoders take a message without its length, as a {@linkcode Framer} yields it. What they
 * return shares no bytes with it. They throw a {@linkcode ProtocolError} for whatever is not
 * exactly one message.
 *
 * @module
 */
export { decodeClientMessage, encodeClientMessage } from "./binary_client.ts";
export { decodeServerMessage, encodeServerMessage } from "./binary_server.ts";
