import { testConformance } from "./conformance.ts";
import { WebSocketPeer } from "./websocket_peer.ts";

testConformance(
  "WebSocket (binary)",
  "websocket",
  (options) => WebSocketPeer.open("binary", options),
);
testConformance("WebSocket (json)", "websocket", (options) => WebSocketPeer.open("json", options));
