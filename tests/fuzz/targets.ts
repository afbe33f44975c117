import { CapsuleParser } from "../../src/http3/capsule.ts";
import { decodeDatagram, encodeDatagram } from "../../src/http3/datagram.ts";
import { Http3Error } from "../../src/http3/error.ts";
import { type FrameEvent, FrameParser } from "../../src/http3/frame.ts";
import { decodeHuffman, encodeHuffman } from "../../src/http3/huffman.ts";
import {
  decodeFieldSection,
  encodeFieldSection,
  FieldSectionTooLarge,
} from "../../src/http3/qpack.ts";
import {
  QpackDecoderStreamParser,
  QpackEncoderStreamParser,
} from "../../src/http3/qpack_stream.ts";
import { encodeResponseHead, parseRequestHead } from "../../src/http3/request.ts";
import { decodeSettings, encodeSettings } from "../../src/http3/settings.ts";
import { UnidirectionalStreamParser } from "../../src/http3/unidirectional_stream.ts";
import { decodeVarint, encodeVarint, MAX_VARINT } from "../../src/varint.ts";
import * as corpus from "./corpus.ts";
import { PROTOCOL_TARGETS } from "./protocol_targets.ts";
import { PROXY_TARGETS } from "./proxy_targets.ts";
import { Finding, sameAgain, stream, type Target } from "./target.ts";
import { WEBTRANSPORT_TARGETS } from "./webtransport_targets.ts";

const MAX_FIELD_SECTION_BYTES = 512;
const MAX_CAPSULE_BYTES = 1028;
/** The limit of SETTINGS in `frame.ts`. */
const MAX_CONTROL_BYTES = 4096;
/** The start of a varint that is not whole. */
const TORN_VARINT_BYTES = 7;

const isHttp3Error = (error: unknown) => error instanceof Http3Error;
const isFieldSectionError = (error: unknown) =>
  error instanceof Http3Error || error instanceof FieldSectionTooLarge;
const never = () => false;

/** Every parser that reads a peer's bytes. */
export const TARGETS: readonly Target[] = [
  {
    name: "varint",
    corpus: corpus.VARINTS,
    allows: never,
    parse(input) {
      const decoded = decodeVarint(input, 0);
      if (decoded === undefined || decoded.value > MAX_VARINT) return;
      const again = new Uint8Array(8);
      const next = encodeVarint(decoded.value, again, 0);
      if (next > decoded.next || decodeVarint(again, 0)!.value !== decoded.value) {
        throw new Finding(`A varint changed: ${decoded.value}`);
      }
    },
  },
  {
    name: "settings",
    corpus: corpus.SETTINGS,
    allows: isHttp3Error,
    parse(input) {
      const settings = decodeSettings(input);
      for (const value of settings.values()) if (value > MAX_VARINT) return;
      sameAgain(decodeSettings(encodeSettings(settings)), settings);
    },
  },
  {
    name: "frames of a control stream",
    corpus: corpus.CONTROL_STREAMS,
    allows: isHttp3Error,
    parse(input, random) {
      const parser = new FrameParser({ kind: "control", maxFieldSectionBytes: 0 });
      stream(parser, input, random, MAX_CONTROL_BYTES + TORN_VARINT_BYTES);
      parser.end();
    },
  },
  {
    name: "frames of a request",
    corpus: corpus.REQUEST_STREAMS,
    allows: isHttp3Error,
    parse(input, random) {
      const parser = new HandingOverFrameParser({
        kind: "request",
        maxFieldSectionBytes: MAX_FIELD_SECTION_BYTES,
      });
      stream(parser, input, random, MAX_FIELD_SECTION_BYTES + TORN_VARINT_BYTES);
      parser.end();
    },
  },
  {
    name: "field section",
    corpus: corpus.FIELD_SECTIONS,
    allows: isFieldSectionError,
    parse(input) {
      const fields = decodeFieldSection(input, { maxFieldSectionBytes: MAX_FIELD_SECTION_BYTES });
      sameAgain(
        decodeFieldSection(encodeFieldSection(fields), {
          maxFieldSectionBytes: MAX_FIELD_SECTION_BYTES,
        }),
        fields,
      );
    },
  },
  {
    name: "request head",
    corpus: corpus.FIELD_SECTIONS,
    allows: isFieldSectionError,
    parse(input) {
      const head = parseRequestHead(decodeFieldSection(input, { maxFieldSectionBytes: 1 << 16 }));
      encodeResponseHead(200, head.headers);
    },
  },
  {
    name: "Huffman code",
    corpus: corpus.HUFFMAN_STRINGS,
    allows: isHttp3Error,
    parse(input) {
      const again: number[] = [];
      encodeHuffman(decodeHuffman(input), again);
      sameAgain(Uint8Array.from(again), input);
    },
  },
  {
    name: "QPACK encoder stream",
    corpus: corpus.ENCODER_STREAMS,
    allows: isHttp3Error,
    parse: (input) => new QpackEncoderStreamParser().push(input),
  },
  {
    name: "QPACK decoder stream",
    corpus: corpus.DECODER_STREAMS,
    allows: isHttp3Error,
    parse: (input) => new QpackDecoderStreamParser().push(input),
  },
  {
    name: "capsules",
    corpus: corpus.CAPSULE_STREAMS,
    allows: isHttp3Error,
    parse(input, random) {
      const parser = new CapsuleParser({
        maxCapsuleBytes: MAX_CAPSULE_BYTES,
        known: new Set([0x2843, 0x78ae]),
      });
      stream(parser, input, random, MAX_CAPSULE_BYTES + TORN_VARINT_BYTES);
      parser.end();
    },
  },
  {
    name: "datagram",
    corpus: corpus.DATAGRAMS,
    allows: isHttp3Error,
    parse(input) {
      const datagram = decodeDatagram(input);
      if (datagram.streamId / 4 > MAX_VARINT) return;
      sameAgain(decodeDatagram(encodeDatagram(datagram.streamId, datagram.payload)), datagram);
    },
  },
  {
    name: "start of a unidirectional stream",
    corpus: corpus.UNIDIRECTIONAL_STREAMS,
    allows: isHttp3Error,
    parse(input) {
      const parser = new UnidirectionalStreamParser();
      for (const byte of input) {
        parser.push(Uint8Array.of(byte));
        if (parser.next() !== undefined) return;
        if (parser.bufferedBytes > TORN_VARINT_BYTES) throw new Finding("A header is not read");
      }
    },
  },
  ...WEBTRANSPORT_TARGETS,
  ...PROTOCOL_TARGETS,
  ...PROXY_TARGETS,
];

/** What follows WebTransport's signal is another parser's, which takes it at once. */
class HandingOverFrameParser extends FrameParser {
  #handedOver = false;

  override next(): FrameEvent | undefined {
    const event = super.next();
    this.#handedOver ||= event?.type === "webtransport-stream";
    if (this.#handedOver) this.rest();
    return event;
  }
}
