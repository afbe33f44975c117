import assert from "node:assert/strict";
import { DemoSite, overflow } from "./demo_site.ts";

Deno.test("in the arena a key moves the own ship, here at once and on another tab", async () => {
  const site = await DemoSite.open();
  try {
    const player = await site.visit("/arena");
    await player.waitForFunction("arena.main.prediction.ship", { polling: 20 });
    const ship = await player.evaluate("arena.ship()");
    const watcher = await site.visit("/");
    await watcher.evaluate(`
      globalThis.places = [];
      client.channel("arena:1").subscribe({
        onPublication: ({ data }) => {
          for (const [id, x, y, vx, vy] of data?.s ?? []) {
            if (id === ${ship}) places.push({ x, y, speed: Math.hypot(vx, vy) });
          }
        },
      }).ready
    `);
    await watcher.waitForFunction("places.at(-1)?.speed === 0", { polling: 20 });
    await player.keyboard.down("ArrowUp");
    await player.waitForFunction(
      "Math.hypot(arena.main.prediction.ship.vx, arena.main.prediction.ship.vy) > 100",
      { polling: 20 },
    );
    await watcher.waitForFunction("places.at(-1).speed > 1000", { polling: 20 });
    await player.keyboard.up("ArrowUp");
    await player.waitForFunction(
      'document.querySelector("#standings .own").textContent.includes("(you)")',
      { polling: 20 },
    );
    site.assertNoComplaints();
  } finally {
    await site.close();
  }
});

Deno.test("side by side, two transports show the same ship, and the link loses what it is told", async () => {
  const site = await DemoSite.open();
  try {
    const page = await site.visit("/arena?transport=webtransport");
    await page.click("#compare");
    await page.waitForFunction(
      `[...document.querySelectorAll('[data-figure="transport"]')].map((dd) => dd.textContent)
        .join() === "WebTransport,WebSocket"`,
      { polling: 20 },
    );
    await page.waitForFunction(
      `[...document.querySelectorAll('[data-figure="age"]')].every((dd) => dd.textContent.endsWith("ms"))`,
      { polling: 20 },
    );
    await page.$eval("#loss", (slider) => {
      (slider as unknown as { value: string }).value = "20";
      slider.dispatchEvent(new Event("input"));
    });
    await page.waitForFunction(
      `parseFloat(document.querySelector('[data-figure="loss"]').textContent) > 5`,
      { polling: 20 },
    );
    site.assertNoComplaints();
  } finally {
    await site.close();
  }
});

Deno.test("the arena fits a phone of 360 pixels, side by side too", async () => {
  const site = await DemoSite.open();
  try {
    const page = await site.visit("/arena?compare", { width: 360, height: 740 });
    assert.equal(await overflow(page), 0);
    await page.click(".explanation summary");
    assert.equal(await overflow(page), 0);
    site.assertNoComplaints();
  } finally {
    await site.close();
  }
});
