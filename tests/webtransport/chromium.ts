import type { Browser } from "puppeteer-core";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { WebTransportServer, type WebTransportServerOptions } from "../../src/webtransport/mod.ts";
import { launchChromium } from "../chromium.ts";

const { certPem, keyPem, sha256 } = await createDevelopmentCertificate();

/** A Chromium, and a page on http://localhost (a secure context) for each call. */
export class Chromium {
  readonly #browser: Browser;
  readonly #pages: Deno.HttpServer<Deno.NetAddr>;

  private constructor(browser: Browser, pages: Deno.HttpServer<Deno.NetAddr>) {
    this.#browser = browser;
    this.#pages = pages;
  }

  static async launch(): Promise<Chromium> {
    const browser = await launchChromium();
    const html = "<!doctype html><title>test</title>";
    const pages = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response(html, { headers: { "content-type": "text/html" } }),
    );
    return new Chromium(browser, pages);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#pages.shutdown();
  }

  get origin(): string {
    return `http://localhost:${this.#pages.addr.port}`;
  }

  /**
   * Runs `script` in a page of its own, since Chromium delays the further attempts of a page whose
   * attempts failed. It is the body of an async function: `connect(path, options)` makes a
   * WebTransport to `server`, and `text(readable)` reads a stream to its end.
   */
  async run<T>(server: WebTransportServer, script: string): Promise<T> {
    const page = await this.#browser.newPage();
    try {
      await page.goto(this.origin);
      return await page.evaluate(`(async () => {
        const connect = (path, options = {}) => new WebTransport(
          "https://127.0.0.1:${server.addr.port}" + path,
          { serverCertificateHashes: [
              { algorithm: "sha-256", value: new Uint8Array([${sha256}]) },
            ], ...options });
        const text = (readable) => new Response(readable).text();
        const encode = (text) => new TextEncoder().encode(text);
        const decode = (bytes) => new TextDecoder().decode(bytes);
        const send = async (writable, text) => {
          const writer = writable.getWriter();
          await writer.write(encode(text));
          await writer.close();
        };
        ${script}
      })()`) as T;
    } finally {
      await page.close();
    }
  }
}

/** A server on a free port of 127.0.0.1 for the length of `test`. */
export async function withServer(
  options: Omit<WebTransportServerOptions, "cert" | "key">,
  test: (server: WebTransportServer) => Promise<void>,
): Promise<void> {
  const server = new WebTransportServer({
    hostname: "127.0.0.1",
    port: 0,
    cert: certPem,
    key: keyPem,
    closeTimeoutMs: 300,
    ...options,
  });
  server.listen();
  try {
    await test(server);
  } finally {
    await server.close();
  }
}
