import { testConformance } from "./conformance.ts";
import { SsePeer } from "./sse_peer.ts";

testConformance("SSE", "sse", (options) => SsePeer.open(options));
