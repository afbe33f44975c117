import { createServer } from "node:http";
import process from "node:process";
import { createAdapter } from "@socket.io/redis-adapter";
import Redis from "ioredis";
import { Server } from "socket.io";
import { drive } from "../drive.mjs";

// As its documentation has it: one client to publish, one to subscribe. Argument: Redis' URL.
const publisher = new Redis(process.argv[2], { enableAutoPipelining: true });
const subscriber = publisher.duplicate();

const http = createServer();
const server = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  // No server under test pings within a round.
  pingInterval: 600_000,
  adapter: createAdapter(publisher, subscriber),
});
http.listen(0, "127.0.0.1", () => {
  drive({ port: http.address().port }, (text) => server.emit("m", text));
});
