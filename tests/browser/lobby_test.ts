import assert from "node:assert/strict";
import { UdpProxy } from "../conformance/udp_proxy.ts";
import { Lobby } from "./lobby.ts";

const TRANSPORTS = ["webtransport", "websocket", "sse"] as const;

Deno.test("three browser tabs talk over WebTransport, WebSocket and SSE at once", async () => {
  const lobby = await Lobby.open();
  try {
    const visitors = await Promise.all(TRANSPORTS.map((transport) => lobby.visit({ transport })));
    assert.deepEqual(
      await Promise.all(visitors.map((visitor) => visitor.client("transport"))),
      TRANSPORTS,
    );
    for (const [index, visitor] of visitors.entries()) {
      await visitor.say(`hello over ${TRANSPORTS[index]}`);
      await Promise.all(visitors.map((other) => other.sees(`hello over ${TRANSPORTS[index]}`)));
    }
    const expected = TRANSPORTS.map((transport) => `hello over ${transport}`);
    for (const visitor of visitors) assert.deepEqual(await visitor.log(), expected);
    for (const { page } of visitors) {
      const present = 'document.querySelectorAll("#members li").length === 3';
      await page.waitForFunction(present, { polling: 20 });
    }
  } finally {
    await lobby.close();
  }
});

Deno.test("a pointer moves on every other tab, and its last place arrives", async () => {
  const lobby = await Lobby.open();
  try {
    const visitors = await Promise.all(TRANSPORTS.map((transport) => lobby.visit({ transport })));
    for (const visitor of visitors) {
      await visitor.page.evaluate(`
        globalThis.seen = {};
        client.channel("pointers:test").subscribe({
          onPublication: ({ key, data }) => { seen[key] = data; },
        }).ready
      `);
    }
    for (const [index, visitor] of visitors.entries()) {
      await visitor.page.evaluate(
        `for (let n = 0; n <= 200; n++) client.channel("pointers:test").publish(n, { key: "k${index}" })`,
      );
      await Promise.all(
        visitors.map(({ page }) => page.waitForFunction(`seen.k${index} === 200`, { polling: 20 })),
      );
    }
  } finally {
    await lobby.close();
  }
});

Deno.test("with UDP blocked, Chromium is connected over WebSocket within 2 s", async () => {
  const lobby = await Lobby.open();
  // It takes every datagram and answers none.
  const blackHole = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    const { port } = blackHole.addr as Deno.NetAddr;
    const visitor = await lobby.visit({ udpPort: port });
    assert.equal(await visitor.client("transport"), "websocket");
    const connectedMs = await visitor.page.evaluate("connectedAfterMs") as number;
    assert.ok(connectedMs < 2000, `connected after ${connectedMs} ms`);
    const [fallback] = await visitor.client<{ transport: string }[]>("fallbacks");
    assert.equal(fallback?.transport, "webtransport");
    await visitor.say("no UDP here");
    await visitor.sees("no UDP here");
  } finally {
    await lobby.close();
    blackHole.close();
  }
});

Deno.test("with WebSocket blocked as well, Chromium goes on over SSE", async () => {
  const lobby = await Lobby.open({}, { refuseWebSocket: true });
  const blackHole = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    const { port } = blackHole.addr as Deno.NetAddr;
    const visitor = await lobby.visit({ udpPort: port });
    assert.equal(await visitor.client("transport"), "sse");
    const fallbacks = await visitor.client<{ transport: string }[]>("fallbacks");
    assert.deepEqual(fallbacks.map(({ transport }) => transport), ["webtransport", "websocket"]);
    await visitor.say("events it is");
    await visitor.sees("events it is");
  } finally {
    await lobby.close();
    blackHole.close();
  }
});

for (const transport of ["websocket", "sse"] as const) {
  Deno.test(`a session over ${transport} continues when its transport is cut`, async () => {
    const lobby = await Lobby.open({ reconnectSpreadMs: 100 });
    try {
      const visitor = await lobby.visit({ transport });
      const session = await visitor.client<string>("session");
      await visitor.page.evaluate(`
        globalThis.lost = 0;
        client.on("state", (state) => { if (state === "reconnecting") lost++; });
      `);
      await lobby.server.publish("chat:lobby", { name: "server", text: "before" });
      await visitor.sees("before");
      lobby.proxy.cut();
      for (const text of ["while away", "twice"]) {
        await lobby.server.publish("chat:lobby", { name: "server", text });
      }
      await visitor.page.waitForFunction("lost === 1", { polling: 20 });
      await visitor.sees("twice");
      assert.equal(await visitor.client("session"), session);
      assert.deepEqual(await visitor.log(), ["before", "while away", "twice"]);
      assert.equal(lobby.server.sessions.count, 1);
    } finally {
      await lobby.close();
    }
  });
}

Deno.test("a session over WebTransport goes on over WebSocket when UDP is cut", async () => {
  const heartbeat = { intervalMs: 1000, misses: 1 };
  const lobby = await Lobby.open({ reconnectSpreadMs: 100, heartbeat });
  const udp = new UdpProxy({
    transport: "udp",
    hostname: "127.0.0.1",
    port: lobby.server.port,
  });
  try {
    const visitor = await lobby.visit({ udpPort: udp.addr.port });
    assert.equal(await visitor.client("transport"), "webtransport");
    const session = await visitor.client<string>("session");
    await lobby.server.publish("chat:lobby", { name: "server", text: "before" });
    await visitor.sees("before");
    udp.cut();
    await lobby.server.publish("chat:lobby", { name: "server", text: "while cut" });
    await visitor.until('transport === "websocket"');
    await visitor.sees("while cut");
    assert.equal(await visitor.client("session"), session);
    assert.deepEqual(await visitor.log(), ["before", "while cut"]);
  } finally {
    await lobby.close();
    await udp.close();
  }
});

Deno.test("the lobby moves a live session to the transport that is chosen", async () => {
  const lobby = await Lobby.open();
  try {
    const visitor = await lobby.visit();
    assert.equal(await visitor.client("transport"), "webtransport");
    const session = await visitor.client<string>("session");
    for (const transport of ["sse", "websocket", "webtransport"] as const) {
      await visitor.page.select("#force", transport);
      await visitor.until(`transport === "${transport}"`);
      await visitor.say(`now over ${transport}`);
      await visitor.sees(`now over ${transport}`);
      assert.equal(await visitor.client("session"), session);
    }
  } finally {
    await lobby.close();
  }
});
