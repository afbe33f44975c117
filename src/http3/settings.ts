import { decodeVarint, encodeVarint, varintLength } from "../varint.ts";
import { ErrorCode, Http3Error } from "./error.ts";

/** The identifiers of the settings that this layer sends or understands. */
export const SettingId = {
  /** RFC 9204 §5 */
  QPACK_MAX_TABLE_CAPACITY: 0x01,
  /** RFC 9114 §7.2.4.1 */
  MAX_FIELD_SECTION_SIZE: 0x06,
  /** RFC 9204 §5 */
  QPACK_BLOCKED_STREAMS: 0x07,
  /** RFC 9220 §3 */
  ENABLE_CONNECT_PROTOCOL: 0x08,
  /** RFC 9297 §2.1.1 */
  H3_DATAGRAM: 0x33,
  /** draft-ietf-masque-h3-datagram-04 */
  H3_DATAGRAM_DRAFT04: 0xffd277,
  /** draft-ietf-webtrans-http3-02 to -06 */
  ENABLE_WEBTRANSPORT: 0x2b603742,
  /** draft-ietf-webtrans-http3-07 to -12 */
  WEBTRANSPORT_MAX_SESSIONS_DRAFT07: 0xc671706a,
  /** draft-ietf-webtrans-http3-13 and -14 */
  WT_MAX_SESSIONS_DRAFT13: 0x14e9cd29,
  /** draft-ietf-webtrans-http3-12 and later */
  WT_INITIAL_MAX_DATA: 0x2b61,
  /** draft-ietf-webtrans-http3-12 and later */
  WT_INITIAL_MAX_STREAMS_UNI: 0x2b64,
  /** draft-ietf-webtrans-http3-12 and later */
  WT_INITIAL_MAX_STREAMS_BIDI: 0x2b65,
} as const;

/** The payload of a SETTINGS frame (RFC 9114 §7.2.4), without its frame header. */
export function encodeSettings(
  settings: Iterable<readonly [id: number, value: number]>,
): Uint8Array {
  const pairs = [...settings];
  let length = 0;
  for (const [id, value] of pairs) length += varintLength(id) + varintLength(value);
  const payload = new Uint8Array(length);
  let offset = 0;
  for (const [id, value] of pairs) {
    offset = encodeVarint(value, payload, encodeVarint(id, payload, offset));
  }
  return payload;
}

/**
 * Reads the payload of a SETTINGS frame: the values of the settings in {@linkcode SettingId}.
 * Unknown settings are checked for repetition and left out.
 *
 * @throws {Http3Error} SETTINGS_ERROR if a setting is repeated, belongs to HTTP/2, or has a value
 * that its definition forbids; FRAME_ERROR if the payload ends within a setting (RFC 9114 §7.2.4).
 */
export function decodeSettings(payload: Uint8Array): Map<number, number> {
  const settings = new Map<number, number>();
  const seen = new Set<number>();
  let offset = 0;
  while (offset < payload.length) {
    const id = decodeVarint(payload, offset);
    const value = id && decodeVarint(payload, id.next);
    if (value === undefined) {
      throw new Http3Error(
        ErrorCode.FRAME_ERROR,
        "connection",
        `SETTINGS ends within a setting, RFC 9114 §7.1: ${payload.length} bytes`,
      );
    }
    check(id!.value, value.value, seen);
    if (KNOWN.has(id!.value)) settings.set(id!.value, value.value);
    offset = value.next;
  }
  return settings;
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(SettingId));

const BOOLEAN: ReadonlySet<number> = new Set([
  SettingId.ENABLE_CONNECT_PROTOCOL,
  SettingId.H3_DATAGRAM,
  SettingId.H3_DATAGRAM_DRAFT04,
  SettingId.ENABLE_WEBTRANSPORT,
]);

function check(id: number, value: number, seen: Set<number>): void {
  let wrong: string | undefined;
  if (seen.has(id)) wrong = "A setting is repeated, RFC 9114 §7.2.4";
  else if (id >= 0x02 && id <= 0x05) wrong = "A setting belongs to HTTP/2, RFC 9114 §7.2.4.1";
  else if (value > 1 && BOOLEAN.has(id)) wrong = "A setting must be 0 or 1, RFC 9297 §2.1.1";
  if (wrong !== undefined) {
    throw new Http3Error(
      ErrorCode.SETTINGS_ERROR,
      "connection",
      `${wrong}: 0x${id.toString(16)} = ${value}`,
    );
  }
  seen.add(id);
}
