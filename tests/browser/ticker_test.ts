import assert from "node:assert/strict";
import type { Page } from "puppeteer-core";
import { DemoSite, overflow } from "./demo_site.ts";

/** Waits until an expression over the page's `ticker` holds. */
async function until(page: Page, condition: string): Promise<void> {
  await page.waitForFunction(condition, { polling: 50 });
}

Deno.test("the ticker shows quotes, trades, a book and a chart, and fills an order", async () => {
  const site = await DemoSite.open();
  try {
    const page = await site.visit("/ticker");
    await until(page, 'document.querySelectorAll("#watchlist .row").length === 300');
    await until(page, 'document.querySelectorAll("#bids li").length > 2');
    await until(page, 'document.querySelectorAll("#tape li").length > 5');
    await until(page, 'document.querySelector("#chart canvas").width > 100');
    // Only what is in view is asked for.
    assert.ok(await page.evaluate("ticker.wanted.size < 60"));
    await page.click("#entry button");
    await until(page, `document.querySelector("#orders li")?.textContent.includes("filled 10/10")`);

    // The keyboard chooses the next symbol.
    const first = await page.$eval("#symbol", (element) => element.textContent);
    await page.focus("#watchlist");
    await page.keyboard.press("ArrowDown");
    await until(page, `document.getElementById("symbol").textContent !== "${first}"`);

    // What became of the orders outlives the page.
    await page.reload();
    await until(page, `document.querySelector("#orders li")?.textContent.includes("filled 10/10")`);
    site.assertNoComplaints();
  } finally {
    await site.close();
  }
});

Deno.test("a slowed ticker skips quotes, stays fresh, and misses no order event or trade", async () => {
  const site = await DemoSite.open();
  try {
    const page = await site.visit("/ticker?transport=webtransport");
    await until(page, "ticker.slow.seen > 50");
    const before = await page.evaluate("ticker.slow.skipped");
    await page.click("#slow");
    await until(page, `ticker.slow.skipped > ${before} + 50`);
    await page.click("#burst");
    await until(page, "ticker.orders.events >= 100");
    assert.equal(await page.evaluate("ticker.orders.lost"), 0);
    assert.equal(await page.evaluate("ticker.tape.missed"), 0);

    // Then quotes are seen at their own pace again.
    await page.click("#slow");
    await until(page, "ticker.slow.takeRates().seen > 70");
    site.assertNoComplaints();
  } finally {
    await site.close();
  }
});

Deno.test("the ticker fits a phone of 360 pixels", async () => {
  const site = await DemoSite.open();
  try {
    const page = await site.visit("/ticker", { width: 360, height: 740 });
    await until(page, 'document.querySelectorAll("#tape li").length > 5');
    assert.equal(await overflow(page), 0);
    await page.click(".explanation summary");
    assert.equal(await overflow(page), 0);
    site.assertNoComplaints();
  } finally {
    await site.close();
  }
});
