import assert from "node:assert/strict";
import { until } from "../until.ts";
import { Lobby, type Visitor } from "./lobby.ts";

/** Short, and yet a busy machine's Chromium has the time to answer. */
const HEARTBEAT = { intervalMs: 1000, misses: 2 };

const TRANSPORTS = ["webtransport", "websocket", "sse"] as const;

/** Counts from now on how often the page's client has lost its transport. */
async function countLosses(visitor: Visitor): Promise<void> {
  await visitor.page.evaluate(`
    globalThis.lost = 0;
    client.on("state", (state) => { if (state === "reconnecting") lost++; });
  `);
}

Deno.test("frozen tabs are found dead on every transport, and go on when they thaw", async () => {
  const lobby = await Lobby.open({ heartbeat: HEARTBEAT, reconnectSpreadMs: 0 });
  try {
    const frozen = await Promise.all(TRANSPORTS.map((transport) => lobby.visit({ transport })));
    const quiet = await lobby.visit();
    await countLosses(quiet);
    const sessions = await Promise.all(frozen.map((visitor) => visitor.client("session")));
    assert.equal(lobby.server.transports, 4);
    const debuggers = await Promise.all(frozen.map(({ page }) => page.createCDPSession()));
    const setState = (state: "frozen" | "active") =>
      Promise.all(debuggers.map((cdp) => cdp.send("Page.setWebLifecycleState", { state })));
    await setState("frozen");
    await until(() => lobby.server.transports === 1, "the server has found the frozen tabs");
    assert.equal(lobby.server.sessions.count, 4, "their sessions wait for them");
    await lobby.server.publish("chat:lobby", { name: "server", text: "while frozen" });
    await setState("active");
    await until(() => lobby.server.transports === 4, "the tabs are back");
    for (const [index, visitor] of frozen.entries()) {
      await visitor.sees("while frozen");
      assert.equal(await visitor.client("session"), sessions[index]);
    }
    assert.equal(await quiet.page.evaluate("lost"), 0, "who was quiet all the time was let be");
  } finally {
    await lobby.close();
  }
});

Deno.test("tabs in the background, whose timers are throttled, are let be", async () => {
  const options = { heartbeat: HEARTBEAT, reconnectSpreadMs: 0 };
  const lobby = await Lobby.open(options, { throttleBackground: true });
  try {
    const hidden = await Promise.all(TRANSPORTS.map((transport) => lobby.visit({ transport })));
    for (const visitor of hidden) {
      await countLosses(visitor);
      await visitor.hide();
      await visitor.page.evaluate(`
        globalThis.wakesMs = [];
        setInterval(() => wakesMs.push(performance.now()), 50);
      `);
    }
    // Longer than a dead peer has.
    const longMs = HEARTBEAT.intervalMs * (HEARTBEAT.misses + 2);
    for (const { page } of hidden) {
      await page.waitForFunction(`wakesMs.at(-1) - wakesMs[0] > ${longMs}`, { polling: 50 });
      const meanMs = await page.evaluate("(wakesMs.at(-1) - wakesMs[0]) / (wakesMs.length - 1)");
      assert.ok(meanMs as number > 500, `the timers were throttled: every ${meanMs} ms`);
    }
    for (const { page } of hidden) assert.equal(await page.evaluate("lost"), 0);
    assert.equal(lobby.server.transports, 3);
  } finally {
    await lobby.close();
  }
});
