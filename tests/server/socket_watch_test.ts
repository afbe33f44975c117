import assert from "node:assert/strict";
import { loadLibc } from "../../src/server/libc.ts";
import { SocketWatch } from "../../src/server/socket_watch.ts";
import { FakeClock } from "../fake_clock.ts";

const LIMIT = 100_000;
const MB = 1 << 20;

/** A watch over one TCP connection on loopback, whose other end brings what a test wants. */
async function withSocket(
  hostname: string,
  test: (parts: {
    readonly socket: { readonly remote: Deno.NetAddr; messages: number };
    /** Has memory grow by so much, and the watch look. */
    readonly grow: (bytes: number) => void;
    readonly bring: (bytes: number) => Promise<void>;
    readonly cut: () => number;
  }) => Promise<void>,
): Promise<void> {
  assert.notEqual(typeof loadLibc(), "string");
  using listener = Deno.listen({ hostname, port: 0 });
  const [conn, peer] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname, port: listener.addr.port }),
  ]);
  const clock = new FakeClock();
  const socket = { remote: conn.remoteAddr, messages: 0 };
  let residentBytes = 50 * MB;
  let cut = 0;
  const watch = new SocketWatch({
    sockets: () => [socket],
    residentBytes: () => residentBytes,
    limitBytes: LIMIT,
    clock,
    onCut: (count) => cut += count,
  });
  try {
    await test({
      socket,
      grow(bytes) {
        residentBytes += bytes;
        clock.advance(250);
      },
      async bring(bytes) {
        await peer.write(new Uint8Array(bytes));
        // It has come once it can be read.
        for (let left = bytes; left > 0;) left -= (await conn.read(new Uint8Array(left)))!;
      },
      cut: () => cut,
    });
  } finally {
    watch.stop();
    conn.close();
    peer.close();
  }
}

const ignore = Deno.build.os !== "linux";

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test({
    name: `SocketWatch cuts off what brings bytes and no message, at ${hostname}`,
    ignore,
    async fn() {
      await withSocket(hostname, async ({ grow, bring, cut }) => {
        await bring(LIMIT + 1);
        grow(40 * MB);
        assert.equal(cut(), 0, "once seen it is suspected");
        grow(0);
        assert.equal(cut(), 1);
      });
    },
  });
}

Deno.test({
  name: "SocketWatch leaves alone what its messages explain, and what is within the limit",
  ignore,
  async fn() {
    await withSocket("127.0.0.1", async ({ socket, grow, bring, cut }) => {
      await bring(LIMIT);
      for (let look = 0; look < 4; look++) grow(40 * MB);
      for (let look = 0; look < 8; look++) {
        await bring(2 * LIMIT);
        // What is suspected by one look may be explained by the next.
        if (look % 2 === 1) socket.messages++;
        grow(40 * MB);
      }
      assert.equal(cut(), 0);
      await bring(LIMIT);
      grow(40 * MB);
      grow(0);
      assert.equal(cut(), 0);
      await bring(1);
      grow(40 * MB);
      grow(0);
      assert.equal(cut(), 1);
    });
  },
});

Deno.test({
  name: "SocketWatch looks at nothing while the memory does not grow",
  ignore,
  async fn() {
    await withSocket("127.0.0.1", async ({ grow, bring, cut }) => {
      await bring(2 * LIMIT);
      for (let look = 0; look < 10; look++) grow(MB);
      assert.equal(cut(), 0);
      // Memory that was given back does not count as there.
      grow(-20 * MB);
      grow(33 * MB);
      grow(0);
      assert.equal(cut(), 1);
    });
  },
});
