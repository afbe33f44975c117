import { testConformance } from "./conformance.ts";
import { WebTransportPeer } from "./webtransport_peer.ts";

testConformance("WebTransport", "webtransport", (options) => WebTransportPeer.open(options));
