import { fileURLToPath } from "node:url";
import type { Protocol } from "./load/client.ts";

/** One server with one way to reach it. */
export interface Contender {
  readonly name: string;
  readonly protocol: Protocol;
  readonly channel: string;
  readonly server: readonly string[];
  /** At most this many idle sessions, and subscribers, where the machine carries no more. */
  readonly cap: "tcp" | "quic";
  /** Target for the memory of an idle session, in KB. */
  readonly maxSessionKb?: number;
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const node = (file: string) => ["node", "--expose-gc", here(`peers/${file}`)];
const slipstream = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-check",
  "--v8-flags=--expose-gc",
  here("slipstream_server.ts"),
];

/** What ratios are relative to. */
export const REFERENCE = "ws on Node";

export const PEERS: readonly Contender[] = [
  { name: REFERENCE, protocol: "ws", channel: "", server: node("ws_server.mjs"), cap: "tcp" },
  {
    name: "socket.io on Node",
    protocol: "socket.io",
    channel: "",
    server: node("socket_io_server.mjs"),
    cap: "tcp",
  },
];

export const OURS: readonly Contender[] = [
  {
    name: "WebSocket",
    protocol: "websocket",
    channel: "ordered:bench",
    server: [...slipstream, "ordered:bench"],
    cap: "tcp",
    maxSessionKb: 30,
  },
  {
    name: "SSE",
    protocol: "sse",
    channel: "ordered:bench",
    server: [...slipstream, "ordered:bench"],
    cap: "tcp",
    maxSessionKb: 40,
  },
  {
    name: "WebTransport stream",
    protocol: "webtransport",
    channel: "ordered:bench",
    server: [...slipstream, "ordered:bench"],
    cap: "quic",
    maxSessionKb: 100,
  },
  {
    name: "WebTransport datagram",
    protocol: "webtransport",
    channel: "latest:bench",
    server: [...slipstream, "latest:bench"],
    cap: "quic",
  },
];

/** The command that runs the load client of a contender. */
export function loadClient(contender: Contender): string[] {
  return [Deno.execPath(), "run", "-A", "--no-check", here("load/client.ts"), contender.protocol];
}
