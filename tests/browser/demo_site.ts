import assert from "node:assert/strict";
import type { Browser, Page } from "puppeteer-core";
import { createDemo } from "../../src/demo/demo.ts";
import { OPEN, serve, type SlipstreamServer } from "../../src/mod.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { launchChromium } from "../chromium.ts";

/** A server with the arena and the market, and a Chromium for its pages. */
export class DemoSite {
  readonly server: SlipstreamServer;
  readonly #demo: ReturnType<typeof createDemo>;
  readonly #browser: Browser;
  readonly #url: string;
  readonly #complaints: string[] = [];

  private constructor(
    server: SlipstreamServer,
    demo: ReturnType<typeof createDemo>,
    browser: Browser,
    url: string,
  ) {
    this.#url = url;
    this.server = server;
    this.#demo = demo;
    this.#browser = browser;
  }

  /** @param options Whether the pages are visited over https, with the server's own certificate. */
  static async open({ https = false } = {}): Promise<DemoSite> {
    const demo = createDemo({ clock: systemClock, random: seededRandom(1) });
    const server = await serve({
      port: 0,
      developmentPort: 0,
      namespaces: { chat: { presence: true, permissions: OPEN }, ...demo.namespaces },
      rpc: demo.rpc,
    });
    await demo.start(server);
    const browser = await launchChromium({ ignoreCertificates: https });
    return new DemoSite(server, demo, browser, https ? server.url : server.developmentUrl!);
  }

  /** Opens a page in a browser context of its own; what Chromium complains of is remembered. */
  async visit(path: string, { width = 1280, height = 800 } = {}): Promise<Page> {
    const context = await this.#browser.createBrowserContext();
    const page = await context.newPage();
    // Violations of the content security policy are said here too.
    page.on("console", (message) => {
      if (message.type() === "error") this.#complaints.push(`${path}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.#complaints.push(`${path}: ${error}`));
    await page.setViewport({ width, height });
    await page.goto(`${this.#url}${path}`);
    await page.waitForSelector('#status[data-state="connected"]');
    return page;
  }

  /** @throws {AssertionError} If a page had an error or broke its content security policy. */
  assertNoComplaints(): void {
    assert.deepEqual(this.#complaints, []);
  }

  async close(): Promise<void> {
    this.#demo.stop();
    await this.#browser.close();
    await this.server.close();
  }
}

/** By how many pixels a page is wider than its window. */
export async function overflow(page: Page): Promise<unknown> {
  return await page.evaluate("document.documentElement.scrollWidth - innerWidth");
}
