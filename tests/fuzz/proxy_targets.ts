import { forwardedHops, xForwardedForHops } from "../../src/proxy/forwarded.ts";
import {
  MAX_PROXY_HEADER_BYTES,
  ProxyProtocolError,
  readProxyHeader,
} from "../../src/proxy/proxy_protocol.ts";
import { toPlainAddress } from "../../src/proxy/trusted_addresses.ts";
import { concat, hex } from "../bytes.ts";
import { Finding, sameAgain, type Target } from "./target.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const HEADERS = [
  encoder.encode("PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"),
  encoder.encode("PROXY TCP6 2001:db8::7 ::1 1 0\r\n"),
  encoder.encode("PROXY UNKNOWN\r\n"),
  hex("0d0a0d0a000d0a515549540a 2111000c c00002070a00000110001151"),
  hex("0d0a0d0a000d0a515549540a 21110013 c00002070a00000110001151 030004 48523566"),
  concat(hex("0d0a0d0a000d0a515549540a 21210024"), new Uint8Array(36)),
  hex("0d0a0d0a000d0a515549540a 20000000"),
];

const FORWARDED = [
  "for=192.0.2.7;proto=https;by=10.0.0.1, for=10.1.1.1",
  'for="[2001:db8:cafe::17]:4711", for=unknown;host="a\\"b,c", for=_hidden',
  "192.0.2.7, [2001:db8::1]:99, unknown, 10.1.1.1:80",
].map((text) => encoder.encode(text));

/** What proxies say of whom they speak for. */
export const PROXY_TARGETS: readonly Target[] = [
  {
    name: "the PROXY protocol's header",
    corpus: HEADERS,
    allows: (error) => error instanceof ProxyProtocolError,
    parse(input) {
      const header = readProxyHeader(input);
      if (header === undefined) {
        if (input.length >= MAX_PROXY_HEADER_BYTES) throw new Finding("It would read for ever");
        return;
      }
      const { length, source } = header;
      if (length > input.length) throw new Finding(`It ends after its bytes: ${length}`);
      if (source !== undefined && toPlainAddress(source) === undefined) {
        throw new Finding(`It names no address: ${source}`);
      }
      sameAgain(readProxyHeader(input.subarray(0, length)), header);
    },
  },
  {
    name: "forwarded headers",
    corpus: FORWARDED,
    allows: () => false,
    parse(input) {
      const text = decoder.decode(input);
      for (const own of ["for=192.0.2.99", 'for="192.0.2.99:1"']) {
        const [nearest] = forwardedHops(`${text}, ${own}`);
        if (nearest?.address !== "192.0.2.99") {
          throw new Finding("A stranger hides the proxy's own");
        }
      }
      for (const hops of [forwardedHops(text), xForwardedForHops(text, text)]) {
        for (const { address } of hops) {
          if (address !== undefined && toPlainAddress(address) !== address) {
            throw new Finding(`It names no address: ${address}`);
          }
        }
      }
    },
  },
];
