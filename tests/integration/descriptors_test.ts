import assert from "node:assert/strict";
import { encodeClientMessage } from "../../src/protocol/json.ts";
import type { ClientMessage } from "../../src/protocol/message.ts";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import { withTempFolder } from "../temp_folder.ts";
import { RawWebSocket } from "../transport/raw_websocket.ts";
import { until } from "../until.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

// 64 - 32 for the node - 16 spare.
const OPEN_FILES = 64;
const FILES_FOR_SESSIONS = 16;

interface LimitedServer {
  /** Of plain HTTP. */
  readonly port: number;
  /** What it has written so far. */
  readonly output: () => string;
}

/** Runs `body` with a server in a process that may have few open files, which must not die of it. */
function withLimitedServer(body: (server: LimitedServer) => Promise<void>): Promise<void> {
  return withTempFolder(async (folder) => {
    const server = `exec "${Deno.execPath()}" run -A --config ${ROOT}deno.json ${ROOT}main.ts`;
    const child = new Deno.Command("sh", {
      args: [
        "-c",
        `ulimit -n ${OPEN_FILES}; ${server} --port 0 --development-port 0 --allow-missing-origin 2>&1`,
      ],
      cwd: folder,
      stdout: "piped",
    }).spawn();
    let output = "";
    const reading = (async () => {
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) output += text;
    })();
    let ended = false;
    const end = child.status.then(() => ended = true);
    try {
      await until(() => ended || /^ {2}carries .*\n/m.test(output), "the greeting");
      const [, port] = /http:\/\/localhost:(\d+)/.exec(output) ?? [];
      assert.ok(port, output);
      await body({ port: Number(port), output: () => output });
      assert.equal(ended, false, output);
    } catch (error) {
      throw new Error(`The server said: ${output}`, { cause: error });
    } finally {
      if (!ended) child.kill("SIGKILL");
      await end;
      await reading;
    }
  });
}

function open({ port }: LimitedServer): Promise<RawWebSocket> {
  return RawWebSocket.connect(port, SUBPROTOCOL.json, "/rt/ws");
}

/** Opens one as soon as the server takes it. */
async function openSoon(server: LimitedServer): Promise<RawWebSocket> {
  for (let attempt = 1;; attempt++) {
    try {
      return await open(server);
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Sends `message` and reads the one message that answers it. */
async function ask(socket: RawWebSocket, message: ClientMessage): Promise<string> {
  await socket.sendText(encodeClientMessage(message));
  const frame = await socket.readFrame();
  return new TextDecoder().decode(frame?.payload);
}

const ignore = Deno.build.os !== "linux";

Deno.test({
  name: "a server with few open files refuses cleanly, serves those inside, and takes others later",
  ignore,
  fn: () =>
    withLimitedServer(async (server) => {
      const sockets: RawWebSocket[] = [];
      for (let opened = 0; opened < FILES_FOR_SESSIONS; opened++) sockets.push(await open(server));
      for (let refused = 0; refused < 100; refused++) {
        await assert.rejects(open(server), /HTTP\/1\.1 503 [^]*\r\nretry-after: [1-9]/);
      }
      for (const socket of sockets) {
        assert.match(await ask(socket, { type: "connect", id: 1 }), /"type":"connected"/);
      }
      for (const socket of sockets.splice(0, 2)) socket.end();
      for (let more = 0; more < 2; more++) sockets.push(await openSoon(server));
      await assert.rejects(open(server), /HTTP\/1\.1 503 /);
      assert.equal(server.output().match(/open files are taken of the 16/g)?.length, 1);
      for (const socket of sockets) socket.end();
    }),
});

Deno.test({
  name: "strangers who take every file of a server end nobody, and leave nothing behind",
  ignore,
  fn: () =>
    withLimitedServer(async (server) => {
      const inside = await open(server);
      assert.match(await ask(inside, { type: "connect", id: 1 }), /"type":"connected"/);
      const strangers: Deno.TcpConn[] = [];
      await until(() => {
        Deno.connect({ hostname: "127.0.0.1", port: server.port })
          .then((stranger) => strangers.push(stranger), () => {});
        return / is closed for a moment: .*Too many open files/.test(server.output());
      }, "a listener without files");
      assert.match(await ask(inside, { type: "ping", id: 2 }), /"type":"pong"/);
      for (const stranger of strangers) stranger.close();
      const another = await openSoon(server);
      assert.match(await ask(another, { type: "connect", id: 1 }), /"type":"connected"/);
      assert.match(await ask(inside, { type: "ping", id: 2 }), /"type":"pong"/);
      assert.equal(server.output().match(/closed for a moment/g)?.length, 1);
      inside.end();
      another.end();
    }),
});
