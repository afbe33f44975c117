import { encodeCapsule } from "../../src/http3/capsule.ts";
import { encodeDatagram } from "../../src/http3/datagram.ts";
import { encodeFrame, FrameType } from "../../src/http3/frame.ts";
import { encodeHuffman } from "../../src/http3/huffman.ts";
import { encodeFieldSection, type Field } from "../../src/http3/qpack.ts";
import { encodeSettings, SettingId } from "../../src/http3/settings.ts";
import { encodeUnidirectionalStreamHeader } from "../../src/http3/unidirectional_stream.ts";
import { concat, hex } from "../bytes.ts";

/** Varints of every length. */
export const VARINTS = ["00", "25", "7bbd", "9d7f3e7d", "c2197c5eff14e88c", "ffffffffffffffff"]
  .map(hex);

/** Payloads of SETTINGS as browsers and servers send them. */
export const SETTINGS = [
  encodeSettings([
    [SettingId.QPACK_MAX_TABLE_CAPACITY, 65536],
    [SettingId.MAX_FIELD_SECTION_SIZE, 262144],
    [SettingId.QPACK_BLOCKED_STREAMS, 100],
    [SettingId.H3_DATAGRAM, 1],
    [SettingId.ENABLE_WEBTRANSPORT, 1],
    [0x1f * 1234567 + 0x21, 987654321],
  ]),
  encodeSettings(Object.values(SettingId).map((id) => [id, 1])),
  hex(""),
];

const REQUESTS: readonly (readonly Field[])[] = [
  [
    [":method", "CONNECT"],
    [":protocol", "webtransport"],
    [":scheme", "https"],
    [":authority", "localhost:4433"],
    [":path", "/rt/wt?a=b"],
    ["origin", "https://localhost:4433"],
    ["sec-webtransport-http3-draft02", "1"],
    ["wt-available-protocols", '"slipstream.v1.binary"'],
  ],
  [
    [":authority", "www.example.com"],
    [":method", "GET"],
    [":path", "/"],
    [":scheme", "https"],
    ["accept", "*/*"],
    ["cookie", "a=1"],
    ["cookie", "b=\xe4"],
    ["te", "trailers"],
  ],
  [[":method", "CONNECT"], [":authority", "example.com:443"]],
  [[":method", "OPTIONS"], [":scheme", "https"], [":path", "*"], ["host", "a.example"]],
];

/** Encoded field sections of requests, and the one of RFC 9204 B.1. */
export const FIELD_SECTIONS = [
  ...REQUESTS.map(encodeFieldSection),
  hex("0000 510b 2f696e6465782e68746d6c"),
];

/** Strings in Huffman code, every byte among them. */
export const HUFFMAN_STRINGS = [
  "www.example.com",
  "Mon, 21 Oct 2013 20:13:21 GMT",
  String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte)),
].map((text) => {
  const target: number[] = [];
  encodeHuffman(text, target);
  return Uint8Array.from(target);
});

const GREASE = encodeFrame(0x1f * 99 + 0x21, hex("00112233445566"));

/** Control streams after their type. */
export const CONTROL_STREAMS = [
  ...SETTINGS.map((payload) => encodeFrame(FrameType.SETTINGS, payload)),
  concat(
    encodeFrame(FrameType.SETTINGS, SETTINGS[0]!),
    GREASE,
    encodeFrame(FrameType.MAX_PUSH_ID, hex("05")),
    encodeFrame(FrameType.GOAWAY, hex("4004")),
    encodeFrame(FrameType.GOAWAY, hex("00")),
    encodeFrame(0xf0700, hex("00753d30")),
  ),
];

/** Streams of capsules: DRAIN and CLOSE of WebTransport, DATAGRAM, GREASE. */
export const CAPSULE_STREAMS = [
  concat(
    encodeCapsule(0x1f * 7 + 0x17, hex("aabbcc")),
    encodeCapsule(0, hex("00010203")),
    encodeCapsule(0x78ae, hex("")),
    encodeCapsule(0x2843, hex("00000fa0 627965")),
  ),
  encodeCapsule(0x2843, new Uint8Array(1028)),
];

/** Request streams: requests with bodies and trailers, and WebTransport's. */
export const REQUEST_STREAMS = [
  ...FIELD_SECTIONS.map((section) => encodeFrame(FrameType.HEADERS, section)),
  concat(
    GREASE,
    encodeFrame(FrameType.HEADERS, FIELD_SECTIONS[1]!),
    encodeFrame(FrameType.DATA, hex("0001020304")),
    GREASE,
    encodeFrame(FrameType.DATA, hex("")),
    encodeFrame(FrameType.HEADERS, encodeFieldSection([["x", "y"]])),
  ),
  concat(
    encodeFrame(FrameType.HEADERS, FIELD_SECTIONS[0]!),
    ...CAPSULE_STREAMS.map((capsules) => encodeFrame(FrameType.DATA, capsules)),
  ),
  hex("4041 00 000102"),
];

/** What begins unidirectional streams. */
export const UNIDIRECTIONAL_STREAMS = [
  ...[0, 1, 2, 3, 0x21, 0x1f * 1e9 + 0x21].map((type) =>
    encodeUnidirectionalStreamHeader({ type })
  ),
  ...[0, 64, 2 ** 20, 2 ** 40].map((sessionId) =>
    encodeUnidirectionalStreamHeader({ type: 0x54, sessionId })
  ),
];

/** HTTP Datagrams. */
export const DATAGRAMS = [
  encodeDatagram(0, hex("")),
  encodeDatagram(4, hex("0001")),
  encodeDatagram(2 ** 40, new Uint8Array(1200)),
];

/** Instructions of the QPACK streams, those with a dynamic table of RFC 9204 B.2 to B.5 among them. */
export const ENCODER_STREAMS = [
  hex("20"),
  hex("2020202020"),
  hex("3fbd01 c00f7777772e6578616d706c652e636f6d c10c2f73616d706c652f70617468"),
  hex("4a637573746f6d2d6b65790c637573746f6d2d76616c7565 02 810d637573746f6d2d76616c756532"),
];
export const DECODER_STREAMS = [hex("48"), hex("7f00 40 7fffff7f"), hex("84 01 48")];
