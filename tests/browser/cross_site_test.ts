import assert from "node:assert/strict";
import type { Page } from "puppeteer-core";
import { until } from "../until.ts";
import { Lobby } from "./lobby.ts";

/** A server of another origin, with one empty page. */
function serveElsewhere(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }),
  );
}

/** What comes of each way in, from the page that is open: "nothing" or "a transport". */
async function attempts(page: Page, { server, proxy }: Lobby): Promise<Record<string, string>> {
  const { url, certificateHashes } = server.info.webtransport!;
  return await page.evaluate(`(async () => {
    const base = "http://localhost:${proxy.port}";
    const outcome = (promise) => promise.then(() => "a transport", () => "nothing");
    const webSocket = new Promise((resolve, reject) => {
      const socket = new WebSocket(base.replace("http", "ws") + "/rt/ws", "slipstream.v1.binary");
      socket.onopen = resolve;
      socket.onclose = reject;
    });
    const value = Uint8Array.fromBase64("${certificateHashes![0]}");
    const webTransport = new WebTransport("${url}", {
      serverCertificateHashes: [{ algorithm: "sha-256", value }],
    });
    webTransport.closed.catch(() => {});
    const eventSource = new Promise((resolve, reject) => {
      const source = new EventSource(base + "/rt/sse?channel=chat:lobby", { withCredentials: true });
      source.onopen = resolve;
      source.onerror = () => (source.close(), reject());
    });
    const ways = {
      webSocket,
      webTransport: webTransport.ready,
      eventSource,
      sse: fetch(base + "/rt/sse"),
      sseWithCookies: fetch(base + "/rt/sse", { credentials: "include" }),
      send: fetch(base + "/rt/send", {
        method: "POST",
        credentials: "include",
        headers: { "content-type": "application/json", "slipstream-transport": "0".repeat(32) },
        body: "{}",
      }),
    };
    const outcomes = {};
    for (const way in ways) outcomes[way] = await outcome(ways[way]);
    return outcomes;
  })()`) as Record<string, string>;
}

const NOTHING = {
  webSocket: "nothing",
  webTransport: "nothing",
  eventSource: "nothing",
  sse: "nothing",
  sseWithCookies: "nothing",
  send: "nothing",
};

for (const cookies of ["with", "without"]) {
  Deno.test(`a page of another origin gets no session over any transport, ${cookies} the visitor's cookies`, async () => {
    const log: string[] = [];
    const lobby = await Lobby.open({ log: ({ message }) => log.push(message) });
    const elsewhere = serveElsewhere();
    try {
      const visitor = await lobby.visit();
      const own = await attempts(visitor.page, lobby);
      assert.deepEqual([own.webSocket, own.eventSource, own.sse], Array(3).fill("a transport"));
      // Of the same site, so that the browser sends it with what the other page asks for.
      if (cookies === "with") {
        await visitor.page.evaluate('document.cookie = "session=secret; path=/"');
      }
      const page = await visitor.page.browserContext().newPage();
      await visitor.page.close();
      const { origin } = new URL(`http://localhost:${elsewhere.addr.port}`);
      await page.goto(`${origin}/`);
      const seen = cookies === "with" ? "session=secret" : "";
      assert.equal(await page.evaluate("document.cookie"), seen, "the site's cookies are in reach");
      await until(() => lobby.server.transports === 0, "the visit has ended");
      const before = lobby.server.originRefusals["not allowed"];
      assert.deepEqual(await attempts(page, lobby), NOTHING);
      // WebTransport, WebSocket, EventSource, two GETs, and the preflight of the POST.
      assert.equal(lobby.server.originRefusals["not allowed"] - before, 6);
      assert.equal(lobby.server.transports, 0);
      assert.equal(log.filter((line) => line.startsWith(`Origin refused: "${origin}"`)).length, 6);
    } finally {
      await lobby.close();
      await elsewhere.shutdown();
    }
  });
}

Deno.test("a form of another origin posts nothing into a visitor's session", async () => {
  const lobby = await Lobby.open({ log() {} });
  const elsewhere = serveElsewhere();
  try {
    const visitor = await lobby.visit({ transport: "sse" });
    const target = `http://localhost:${lobby.proxy.port}/rt/send`;
    const page = await visitor.page.browserContext().newPage();
    const json = '{"type":"publish","id":1,"channel":"chat:lobby","data":{"name":"evil"}}';
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      for (const policy of ["unsafe-url", "no-referrer"]) {
        await page.goto(`http://localhost:${elsewhere.addr.port}/`);
        const [response] = await Promise.all([
          page.waitForNavigation(),
          page.evaluate(`(() => {
            const meta = Object.assign(document.createElement("meta"), {
              name: "referrer", content: "${policy}",
            });
            document.head.append(meta);
            const form = Object.assign(document.createElement("form"), {
              action: "${target}", method: "post", enctype: "${type}",
            });
            form.append(Object.assign(document.createElement("input"), {
              name: ${JSON.stringify(json)}, value: "",
            }));
            document.body.append(form);
            form.submit();
          })()`),
        ]);
        assert.equal(response!.status(), 403, `${type}, ${policy}`);
      }
    }
    // Without a referrer a form has the origin null.
    assert.deepEqual(lobby.server.originRefusals, {
      missing: 0,
      null: 3,
      malformed: 0,
      "not allowed": 3,
    });
    await lobby.server.publish("chat:lobby", { name: "server", text: "the end" });
    await visitor.sees("the end");
    assert.deepEqual(await visitor.log(), ["the end"]);
  } finally {
    await lobby.close();
    await elsewhere.shutdown();
  }
});
