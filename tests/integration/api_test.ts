import assert from "node:assert/strict";
import type { ServerOptions } from "../../src/mod.ts";
import { until } from "../until.ts";
import { KINDS, type TestServer, withServer } from "./harness.ts";

const KEY = "a-key-of-at-least-32-characters!";
const OTHER_KEY = "another-key-that-is-rotated-in-now";
const OPTIONS: ServerOptions = {
  api: { keys: [OTHER_KEY, KEY], maxBodyBytes: 10_000, maxBatch: 3 },
};

/** Asks the API; `init` as of `fetch`. */
type Ask = (path: string, init?: RequestInit) => Promise<{ status: number; body: unknown }>;

async function withApi(body: (test: TestServer & { ask: Ask }) => Promise<void>): Promise<void> {
  await withServer(OPTIONS, async (test) => {
    await body({
      ...test,
      async ask(path, init = {}) {
        const response = await fetch(`${test.server.developmentUrl}/api${path}`, {
          ...init,
          headers: { authorization: `Bearer ${KEY}`, ...init.headers },
        });
        const text = await response.text();
        const type = response.headers.get("content-type");
        assert.equal(
          type,
          response.ok ? "application/json" : "application/problem+json",
          `${path}: ${text}`,
        );
        assert.equal(response.headers.get("access-control-allow-origin"), null);
        return { status: response.status, body: JSON.parse(text) };
      },
    });
  });
}

function post(value: unknown): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof value === "string" ? value : JSON.stringify(value),
  };
}

Deno.test("a backend publishes to clients on every transport, values and bytes", async () => {
  await withApi(async ({ client, ask }) => {
    const seen: unknown[][] = [];
    for (const kind of KINDS) {
      const list: unknown[] = [];
      seen.push(list);
      const subscription = client(kind).channel("chat:a").subscribe({
        onPublication: ({ data }) => list.push(data),
      });
      await subscription.ready;
    }
    const first = await ask("/publish", post({ channel: "chat:a", data: { price: 1 } }));
    assert.equal(first.status, 200);
    const { position } = first.body as { position: { epoch: string; offset: number } };
    assert.equal(position.offset, 1);
    await ask("/publish", post({ channel: "chat:a", base64: "AQID" }));
    await ask("/publish", post({ channel: "chat:a", data: null }));
    await until(() => seen.every(({ length }) => length === 3), "all have all");
    for (const list of seen) assert.deepEqual(list, [{ price: 1 }, Uint8Array.of(1, 2, 3), null]);
    const { body } = await ask(`/history?channel=chat:a&epoch=${position.epoch}&offset=1`);
    const page = body as { publications: Record<string, unknown>[]; complete: boolean };
    assert.equal(page.complete, true);
    assert.deepEqual(
      page.publications.map(({ offset, data, base64 }) => [offset, data, base64]),
      [[2, undefined, "AQID"], [3, null, undefined]],
    );
  });
});

Deno.test("a batch is published in its order, and what fails in it is told by itself", async () => {
  await withApi(async ({ ask }) => {
    const { status, body } = await ask(
      "/publish-many",
      post({
        publications: [
          { channel: "chat:b", data: 1 },
          { channel: "nowhere:b", data: 2 },
          { channel: "chat:b", data: 3 },
        ],
      }),
    );
    assert.equal(status, 200);
    const { results } = body as {
      results: { position?: { offset: number }; problem?: { status: number; detail: string } }[];
    };
    assert.deepEqual(results.map(({ position }) => position?.offset), [1, undefined, 2]);
    assert.equal(results[1]!.problem!.status, 404);
    assert.match(results[1]!.problem!.detail, /nowhere/);
  });
});

Deno.test("a backend sees who is there, and the channels of the node", async () => {
  await withApi(async ({ client, ask }) => {
    const ada = client("websocket", { info: { name: "Ada" } });
    await ada.channel("chat:c").subscribe({ onPublication: () => {} }).ready;
    const present = await ask("/presence?channel=chat:c");
    const members = [{ session: ada.session, info: { name: "Ada" } }];
    assert.deepEqual(present.body, { count: 1, members });
    const counted = await ask("/presence?channel=chat:c&limit=0");
    assert.deepEqual(counted.body, { count: 1, members: [] });
    const channels = await ask("/channels");
    assert.deepEqual(channels.body, {
      channels: [{ channel: "chat:c", subscribers: 1, dropped: 0, conflated: 0 }],
    });
    assert.deepEqual((await ask("/info")).body, { sessions: 1, transports: 1, channels: 1 });
  });
});

Deno.test("a key of a latest channel is published and removed", async () => {
  await withApi(async ({ ask }) => {
    await ask("/publish", post({ channel: "points:x", key: "a", data: 1 }));
    const one = (await ask("/history?channel=points:x")).body as { publications: unknown[] };
    assert.equal(one.publications.length, 1);
    assert.equal((await ask("/remove", post({ channel: "points:x", key: "a" }))).status, 200);
    const none = (await ask("/history?channel=points:x")).body as { publications: unknown[] };
    assert.equal(none.publications.length, 0);
  });
});

Deno.test("a backend ends a session, with a code that its client gets", async () => {
  await withApi(async ({ client, ask }) => {
    const ada = client("websocket");
    await ada.ready;
    const done = await ask(
      "/disconnect",
      post({ session: ada.session, code: 4500, reason: "banned" }),
    );
    assert.equal(done.status, 200);
    assert.deepEqual(await ada.closed, { code: 4500, reason: "banned" });
  });
});

Deno.test("what is wrong with a request is told as a problem", async () => {
  await withApi(async ({ ask }) => {
    const wrong: [status: number, detail: RegExp, path: string, init?: RequestInit][] = [
      [401, /not one of this server's/, "/info", {
        headers: { authorization: `Bearer ${KEY}x` },
      }],
      [401, /A key was expected/, "/info", { headers: { authorization: "Basic abc" } }],
      [403, /without an Origin/, "/info", { headers: { origin: "https://evil.test" } }],
      [404, /no such resource: \/api\/nothing/, "/nothing"],
      [404, /nowhere/, "/presence?channel=nowhere:a"],
      [400, /channel/, "/presence"],
      [400, /epoch and offset together/, "/history?channel=chat:a&offset=1"],
      [400, /a limit of 0 to 1000/, "/history?channel=chat:a&limit=1001"],
      [415, /application\/json was expected: text\/plain/, "/publish", {
        method: "POST",
        headers: { "content-type": "text/plain" },
        body: "{}",
      }],
      [400, /either session or user/, "/disconnect", post({ code: 4500 })],
      [400, /3000 to 4999/, "/disconnect", post({ user: "u", code: 1 })],
      [400, /A body of JSON/, "/publish", post('{"channel":')],
      [400, /Either data or base64 was expected: neither/, "/publish", post({ channel: "chat:a" })],
      [400, /both/, "/publish", post({ channel: "chat:a", data: 1, base64: "AQID" })],
      [400, /base64/, "/publish", post({ channel: "chat:a", base64: "?" })],
      [400, /colour/, "/publish", post({ channel: "chat:a", data: 1, colour: "red" })],
      [400, /takes no key/, "/publish", post({ channel: "chat:a", key: "k", data: 1 })],
      [400, /takes a key/, "/publish", post({ channel: "points:a", data: 1 })],
      [
        413,
        /at most 10000 bytes/,
        "/publish",
        post({ channel: "chat:a", data: "x".repeat(11_000) }),
      ],
      [
        400,
        /At most 3 publications were expected: 4/,
        "/publish-many",
        post({
          publications: Array(4).fill({ channel: "chat:a", data: 1 }),
        }),
      ],
    ];
    for (const [status, detail, path, init] of wrong) {
      const response = await ask(path, init);
      assert.equal(response.status, status, `${path} ${JSON.stringify(response.body)}`);
      const told = response.body as { status: number; detail: string; title: string };
      assert.equal(told.status, status);
      assert.match(told.detail, detail);
      assert.notEqual(told.title, "Error");
      assert.ok(!JSON.stringify(told).includes(KEY));
    }
  });
});

Deno.test("the description names every resource, and each answers as it says", async () => {
  await withApi(async ({ server, ask }) => {
    const response = await fetch(`${server.developmentUrl}/api/openapi.json`);
    const description = await response.json();
    assert.equal(description.openapi, "3.1.0");
    for (const [path, operations] of Object.entries(description.paths)) {
      for (const method of Object.keys(operations as object)) {
        const init = method === "post" ? post({}) : {};
        const { status, body } = await ask(path.replace("/api", ""), init);
        // It is there: what is missing is told, or nothing is.
        assert.ok(status === 200 || status === 400, `${method} ${path}: ${JSON.stringify(body)}`);
      }
    }
    const { parameters } = description.paths["/api/history"].get;
    assert.deepEqual(
      parameters.map(({ name, required }: { name: string; required: boolean }) => [name, required]),
      [["channel", true], ["limit", false], ["epoch", false], ["offset", false]],
    );
  });
});

Deno.test("without keys there is no API, and a short key is none", async () => {
  await withServer({}, async ({ server }) => {
    const response = await fetch(`${server.developmentUrl}/api/info`);
    assert.equal(response.status, 404);
    await response.body?.cancel();
  });
  await assert.rejects(
    withServer({ api: { keys: ["secret"] } }, () => Promise.resolve()),
    (error: Error) =>
      /api\.keys\.0: expected keys of 32/.test(error.message) && !/secret"/.test(error.message),
  );
});
