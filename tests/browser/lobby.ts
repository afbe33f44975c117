import type { Browser, HTTPRequest, Page } from "puppeteer-core";
import {
  OPEN,
  serve,
  type ServerInfo,
  type ServerOptions,
  type SlipstreamServer,
} from "../../src/mod.ts";
import { launchChromium } from "../chromium.ts";
import { TcpProxy } from "./tcp_proxy.ts";

/** How a page reaches the server. */
export interface VisitOptions {
  /** Forces a transport, as the page's selector does. */
  readonly transport?: "webtransport" | "websocket" | "sse";
  /** The UDP port that the page is told instead of the server's own. */
  readonly udpPort?: number;
}

/**
 * A server with the lobby's channels, a TCP path to it that can be cut, and a Chromium that visits
 * the lobby over that path.
 */
export class Lobby {
  readonly server: SlipstreamServer;
  readonly proxy: TcpProxy;
  readonly #browser: Browser;

  private constructor(server: SlipstreamServer, proxy: TcpProxy, browser: Browser) {
    this.server = server;
    this.proxy = proxy;
    this.#browser = browser;
  }

  static async open(
    options: ServerOptions = {},
    { refuseWebSocket = false, throttleBackground = false } = {},
  ): Promise<Lobby> {
    const proxy = new TcpProxy({ refuseWebSocket });
    const server = await serve({
      port: 0,
      developmentPort: 0,
      namespaces: {
        chat: { presence: true, permissions: OPEN },
        pointers: { delivery: "latest", permissions: OPEN },
      },
      origins: { allow: [`http://localhost:${proxy.port}`] },
      ...options,
    });
    proxy.forwardTo(server.developmentPort!);
    const browser = await launchChromium({ throttleBackground });
    return new Lobby(server, proxy, browser);
  }

  /** Opens the page, in a browser context of its own, and waits until its session is there. */
  async visit(options: VisitOptions = {}): Promise<Visitor> {
    const context = await this.#browser.createBrowserContext();
    const page = await context.newPage();
    if (options.udpPort !== undefined) await sayUdpPort(page, options.udpPort);
    const query = options.transport === undefined ? "" : `?transport=${options.transport}`;
    await page.goto(`http://localhost:${this.proxy.port}/${query}`);
    const visitor = new Visitor(page);
    await visitor.connected();
    return visitor;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.server.close();
    await this.proxy.close();
  }
}

/** One open page. */
export class Visitor {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async connected(): Promise<void> {
    await this.page.waitForSelector('#status[data-state="connected"]');
  }

  /** Evaluates an expression over the page's `client`. */
  client<T>(expression: string): Promise<T> {
    return this.page.evaluate(`client.${expression}`) as Promise<T>;
  }

  /** Waits until the page's `client` meets `condition`, an expression over it. */
  async until(condition: string): Promise<void> {
    await this.page.waitForFunction(`client.${condition}`, { polling: 20 });
  }

  /** Puts the page into the background, behind an empty one. */
  async hide(): Promise<void> {
    const front = await this.page.browserContext().newPage();
    await front.bringToFront();
    await this.page.waitForFunction('document.visibilityState === "hidden"', { polling: 20 });
  }

  async say(text: string): Promise<void> {
    await this.page.type("#text", text);
    await this.page.click("#composer button");
  }

  /** Waits until the log shows `text`. */
  async sees(text: string): Promise<void> {
    const found = `document.getElementById("log").textContent.includes(${JSON.stringify(text)})`;
    await this.page.waitForFunction(found, { polling: 20 });
  }

  /** The chat's messages as shown, in order. */
  log(): Promise<string[]> {
    return this.page.$$eval(
      "#log li:not(.note)",
      (items) => items.map((item) => item.lastChild!.textContent!),
    );
  }
}

/** Answers `/rt/info` with another UDP port: what a network between the two would do. */
async function sayUdpPort(page: Page, port: number): Promise<void> {
  // The policy of the page names the server's own port.
  await page.setBypassCSP(true);
  await page.setRequestInterception(true);
  page.on("request", (request: HTTPRequest) => {
    const answer = request.url().endsWith("/rt/info")
      ? fetch(request.url()).then((response) => response.json()).then((info: ServerInfo) =>
        request.respond({
          contentType: "application/json",
          body: JSON.stringify({
            ...info,
            webtransport: { ...info.webtransport, url: `https://127.0.0.1:${port}/rt/wt` },
          }),
        })
      )
      : request.continue();
    // A page that is closed meanwhile needs no answer.
    answer.catch(() => {});
  });
}
