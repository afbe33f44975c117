import assert from "node:assert/strict";
import { Link } from "./link.ts";

const obstacle = await Link.obstacle();

/** Answers a UDP datagram, over IPv4, at `address`. */
const ECHO = `
const [address] = Deno.args;
const socket = Deno.listenDatagram({ transport: "udp", hostname: address, port: 5000 });
console.log("{}");
for await (const [bytes, from] of socket) await socket.send(bytes, from);`;

/** Sends it a datagram and connects over TCP; says what came back. */
const ASK = `
const [address] = Deno.args;
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
console.log("{}");
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const line of lines) {
  await socket.send(new Uint8Array(8), { transport: "udp", hostname: address, port: 5000 });
  // Nobody listens there: what is refused has gone both ways.
  const tcp = await Deno.connect({ hostname: address, port: 5001 }).catch((error) => error.name);
  const answered = line.includes("await") && (await socket.receive())[0].length;
  console.log(JSON.stringify({ tcp, answered }));
}`;

Deno.test({
  name:
    "a link carries TCP and UDP between two namespaces, and blocks one of them (ignored where not root)",
  ignore: obstacle !== undefined,
  async fn() {
    const link = await Link.open(1);
    const run = (
      code: string,
    ) => [Deno.execPath(), "eval", "--unstable-net", code, Link.address("near")];
    try {
      const [echo] = await link.start("near", run(ECHO));
      const [ask] = await link.start("far", run(ASK));
      try {
        assert.deepEqual(await ask.ask("await"), { tcp: "ConnectionRefused", answered: 8 });
        await link.set({ blocked: ["udp"] });
        assert.deepEqual(await ask.ask("send"), { tcp: "ConnectionRefused", answered: false });
        const { lost } = await link.counts();
        assert.equal(lost, 1);
      } finally {
        await ask.end();
        await echo.end();
      }
    } finally {
      await link.close();
    }
  },
});
