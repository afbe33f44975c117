import { Http3Error } from "../../src/http3/error.ts";
import { decodeCloseCapsule, encodeCloseCapsule } from "../../src/webtransport/close_capsule.ts";
import { parseAvailableProtocols, serializeProtocol } from "../../src/webtransport/subprotocol.ts";
import { hex } from "../bytes.ts";
import { sameAgain, type Target } from "./target.ts";

const latin1 = new TextDecoder("latin1");
const ascii = new TextEncoder();

/** The parsers of `src/webtransport`. */
export const WEBTRANSPORT_TARGETS: readonly Target[] = [
  {
    name: "CLOSE capsule",
    corpus: [hex("00000000"), hex("00000fa0 62796520 c3a9"), new Uint8Array(1028)],
    allows: (error) => error instanceof Http3Error,
    parse(input) {
      const info = decodeCloseCapsule(input);
      // The capsule's own header is 2 bytes of type, then the length in 1 or 2.
      const capsule = encodeCloseCapsule(info);
      sameAgain(decodeCloseCapsule(capsule.subarray(capsule.length - input.length)), info);
    },
  },
  {
    name: "wt-available-protocols",
    corpus: ['"slipstream.v1.binary"', '"a", "b\\"\\\\";x=1;y="z" , "c";q=0.5;*t;b=:AA==:;d=@1']
      .map((field) => ascii.encode(field)),
    allows: () => false,
    parse(input) {
      const protocols = parseAvailableProtocols(latin1.decode(input));
      sameAgain(parseAvailableProtocols(protocols.map(serializeProtocol).join(",")), protocols);
    },
  },
];
