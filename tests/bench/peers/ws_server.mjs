import process from "node:process";
import { WebSocketServer } from "ws";
import { drive } from "../drive.mjs";

// As ws is used at its best: one buffer for all, no compression.
const server = new WebSocketServer({
  host: process.argv[2] ?? "127.0.0.1",
  port: 0,
  perMessageDeflate: false,
});
server.on("listening", () => {
  drive({ port: server.address().port }, (text) => {
    const data = Buffer.from(JSON.stringify(text));
    for (const socket of server.clients) socket.send(data, { binary: false });
  });
});
