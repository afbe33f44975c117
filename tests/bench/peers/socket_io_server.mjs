import { createServer } from "node:http";
import process from "node:process";
import { Server } from "socket.io";
import { drive } from "../drive.mjs";

const http = createServer();
const server = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  // No server under test pings within a round.
  pingInterval: 600_000,
});
http.listen(0, process.argv[2] ?? "127.0.0.1", () => {
  drive({ port: http.address().port }, (text) => server.emit("m", text));
});
