import assert from "node:assert/strict";
import type { CommandError } from "../../src/protocol/error_code.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { verifyWebhook } from "../../src/webhooks/verify.ts";
import { until } from "../until.ts";
import { Backend, deadPort, json, SECRET, signatureOf } from "./backend.ts";
import { NOW_MS, publication, REQUEST, SESSION, text, textOf, withWebhooks } from "./scene.ts";

const UNAVAILABLE = { code: 503, message: "The backend cannot be asked at the moment" };
const SENSELESS = { code: 503, message: "The backend has not answered as it should" };

Deno.test("a request is signed with every secret, and tells of the client but not its token", async () => {
  const other = "another-secret-of-32-characters!!";
  await withWebhooks({ secrets: [other, SECRET] }, async ({ hooks, backend, settled }) => {
    await settled(hooks.onConnect({ ...REQUEST, resumes: "session-0" }));
    const [{ headers, text, delivery }] = backend.received as [typeof backend.received[0]];
    const seconds = String(Math.floor(NOW_MS / 1000));
    assert.equal(
      headers.get("slipstream-signature"),
      signatureOf(seconds, text, other, SECRET),
    );
    assert.equal(headers.get("slipstream-delivery"), delivery.id);
    assert.equal(headers.get("content-type"), "application/json");
    assert.match(delivery.id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(delivery, {
      id: delivery.id,
      event: "connect",
      time: NOW_MS,
      client: {
        resumes: "session-0",
        user: "42",
        claims: { sub: "42", role: "trader" },
        address: "192.0.2.1",
        origin: "https://example.com",
        transport: "websocket",
        info: "Ann",
      },
    });
    assert.ok(!text.includes(REQUEST.token!));
    const request = new Request(backend.url, { method: "POST", headers, body: text });
    assert.deepEqual(await verifyWebhook(request, [SECRET], { now: () => NOW_MS }), delivery);
  });
});

Deno.test("each event tells what it is about, and payloads keep every digit", async () => {
  await withWebhooks({}, async ({ hooks, backend, settled }) => {
    const bytes = new TextEncoder().encode('{"price": 1.10,\n"id": 12345678901234567890}');
    const session = SESSION;
    await settled(hooks.onSubscribe({ session, channel: "chat:é" }));
    await settled(hooks.onPublish({ ...publication({ format: "json", bytes }), key: "EURUSD" }));
    await settled(
      hooks.onPublish({ ...publication(text("")), key: "EURUSD", removed: true }),
    );
    await settled(
      hooks.onRpc({
        session,
        method: "sum",
        data: { format: "binary", bytes: Uint8Array.of(1, 255) },
      }),
    );
    // Said to be JSON, and is none.
    await settled(
      hooks.onRpc({ session, method: "x", data: { format: "json", bytes: Uint8Array.of(34) } }),
    );
    hooks.onDisconnect(session, { code: 3004, reason: "The client did not come back" });
    await until(() => backend.received.length === 6);
    const about = backend.received.map(({ delivery: { id: _id, time: _time, ...rest } }) => rest);
    const told = {
      id: "session-1",
      user: "42",
      claims: {},
      address: "192.0.2.1",
      transport: "sse",
    };
    assert.deepEqual(about, [
      { event: "subscribe", session: told, channel: "chat:é" },
      {
        event: "publish",
        session: told,
        channel: "chat:a",
        key: "EURUSD",
        data: { price: 1.1, id: 12345678901234567890 },
      },
      { event: "publish", session: told, channel: "chat:a", key: "EURUSD", removed: true },
      { event: "rpc", session: told, method: "sum", base64: "Af8=" },
      { event: "rpc", session: told, method: "x", base64: "Ig==" },
      { event: "disconnect", session: told, code: 3004, reason: "The client did not come back" },
    ]);
    assert.ok(backend.received[1]!.text.includes('{"price": 1.10, "id": 12345678901234567890}'));
  });
});

Deno.test("what the backend knows better is taken over", async () => {
  let answer: unknown;
  const respond = () => answer === undefined ? new Response(null, { status: 204 }) : json(answer);
  await withWebhooks({ respond }, async ({ hooks, settled, outcomes }) => {
    const ask = {
      connect: () => settled(hooks.onConnect(REQUEST)),
      subscribe: () => settled(hooks.onSubscribe({ session: SESSION, channel: "chat:a" })),
      publish: () => settled(hooks.onPublish(publication(text("said")))),
      rpc: () => settled(hooks.onRpc({ session: SESSION, method: "sum", data: text("1+1") })),
    };
    for (answer of [undefined, {}]) {
      assert.deepEqual(await ask.connect(), {});
      assert.equal(await ask.subscribe(), undefined);
      assert.deepEqual(await ask.publish(), {});
      assert.equal(await ask.rpc(), undefined);
    }
    answer = { user: "ann", info: { colour: "red" } };
    const changes = await ask.connect() as { user: string; info: ReturnType<typeof text> };
    assert.deepEqual([changes.user, textOf(changes.info)], ["ann", '{"colour":"red"}']);
    answer = { data: null };
    const published = await ask.publish() as { data: ReturnType<typeof text> };
    assert.deepEqual([published.data.format, textOf(published.data)], ["json", "null"]);
    answer = { base64: "AQI=" };
    assert.deepEqual(await ask.rpc(), { format: "binary", bytes: Uint8Array.of(1, 2) });
    assert.equal(outcomes()["connect allowed"], 3);
  });
});

Deno.test("a refusal reaches the client as the backend says it", async () => {
  let refuse: unknown = { code: 4003, message: "Banned until Monday" };
  await withWebhooks({ respond: () => json({ refuse }) }, async (scene) => {
    const { hooks, settled, outcomes, log } = scene;
    assert.deepEqual(await settled(hooks.onConnect(REQUEST)), refuse);
    refuse = { code: 402, message: "Pay first" };
    assert.deepEqual(await settled(hooks.onPublish(publication(text("x")))), refuse);
    refuse = {};
    assert.deepEqual(await settled(hooks.onSubscribe({ session: SESSION, channel: "a" })), {
      code: 403,
      message: "The backend refuses",
    });
    assert.deepEqual(outcomes(), {
      "connect refused": 1,
      "publish refused": 1,
      "subscribe refused": 1,
    });
    assert.deepEqual(log, []);
    assert.equal(scene.webhooks.state.breaker, "closed");
  });
});

const gzipped = async (size: number) =>
  await new Response(
    new Blob([new Uint8Array(size)]).stream().pipeThrough(new CompressionStream("gzip")),
  ).bytes();

for (
  const [what, respond] of [
    ["an empty body", () => new Response("")],
    ["a page", () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } })],
    ["no UTF-8", () => new Response(Uint8Array.of(0x22, 0xff, 0x22))],
    ["a list", () => json([])],
    ["null", () => json(null)],
    ["a refusal that is misspelt", () => json({ refused: { code: 403 } })],
    ["a refusal with the code of success", () => json({ refuse: { code: 200 } })],
    ["a refusal with a code that is none", () => json({ refuse: { code: "403" } })],
    ["a refusal that is null", () => json({ refuse: null })],
    ["data twice", () => json({ data: 1, base64: "AQ==" })],
    ["base64 that is none", () => json({ base64: "!" })],
    ["a huge body", () => json({ data: "x".repeat(200_000) })],
    [
      "a compressed bomb",
      async () =>
        new Response(await gzipped(50_000_000), { headers: { "content-encoding": "gzip" } }),
    ],
    ["another status of success", () => json({}, 201)],
    ["a status of the client's fault", () => json({ refuse: {} }, 404)],
  ] as [string, () => Response | Promise<Response>][]
) {
  Deno.test(`an answer of ${what} is refused, whatever onFailure says`, async () => {
    await withWebhooks({ respond, onFailure: "allow" }, async (scene) => {
      const { hooks, settled, outcomes, log, backend } = scene;
      assert.deepEqual(await settled(hooks.onPublish(publication(text("x")))), SENSELESS);
      assert.deepEqual(outcomes(), { "publish invalid": 1 });
      assert.equal(log.length, 1);
      assert.match(log[0]!, /^The answer of the webhook's backend makes no sense.*: publish: /);
      assert.equal(backend.received.length, 1, "asked again");
    });
  });
}

Deno.test("a redirect is not followed", async () => {
  const other = new Backend();
  const respond = () => Response.redirect(other.url, 307);
  await withWebhooks({ respond }, async ({ hooks, settled }) => {
    assert.deepEqual(await settled(hooks.onConnect(REQUEST)), SENSELESS);
    assert.equal(other.received.length, 0);
  });
  await other.close();
});

Deno.test("a backend that hangs is waited for until timeoutMs, and no longer", async () => {
  const hang = Promise.withResolvers<Response>();
  await withWebhooks({ respond: () => hang.promise, timeoutMs: 3000 }, async (scene) => {
    const { hooks, backend, clock, outcomes } = scene;
    const refused: unknown[] = [];
    const asked = Promise.resolve(hooks.onConnect(REQUEST)).catch((error) => refused.push(error));
    await until(() => backend.open === 1);
    await clock.advanceAsync(2999);
    assert.equal(refused.length, 0);
    await clock.advanceAsync(1);
    await asked;
    assert.equal((refused[0] as CommandError).code, 503);
    assert.deepEqual(outcomes(), { "connect timeout": 1 });
    assert.equal(scene.webhooks.state.asking, 0);
    hang.resolve(json({}));
  });
});

Deno.test("an answer that begins and hangs is waited for no longer either", async () => {
  const half = new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode('{"user"')) });
  await withWebhooks({ respond: () => new Response(half) }, async (scene) => {
    const { hooks, backend, clock, settled, outcomes } = scene;
    const asked = settled(hooks.onConnect(REQUEST));
    await until(() => backend.received.length === 1);
    clock.advance(3000);
    assert.deepEqual(await asked, UNAVAILABLE);
    assert.deepEqual(outcomes(), { "connect timeout": 1 });
  });
});

Deno.test("who gives no answer is asked again as the same delivery, signed anew", async () => {
  for (
    const [status, event, times] of [
      [503, "publish", 2],
      [502, "publish", 2],
      [504, "publish", 2],
      [503, "rpc", 2],
      [502, "rpc", 1],
      [504, "rpc", 1],
      [500, "publish", 1],
    ] as const
  ) {
    let first = true;
    const respond = () => {
      const answer = first ? json({}, status) : json({});
      first = false;
      return answer;
    };
    await withWebhooks({ respond }, async ({ hooks, settled, backend, webhooks }) => {
      const asked = await settled(
        event === "publish"
          ? hooks.onPublish(publication(text("x")))
          : hooks.onRpc({ session: SESSION, method: "pay", data: text("5") }),
      );
      const what = `${status} to ${event}`;
      assert.equal(backend.received.length, times, what);
      assert.equal((asked as { code?: number } | undefined)?.code === 503, times === 1, what);
      assert.equal(new Set(backend.received.map(({ text }) => text)).size, 1, what);
      assert.equal(webhooks.state.askedAgain, times - 1, what);
    });
  }
});

Deno.test("a connection that is cut is tried again, but for a call, which may have been answered", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  let requests = 0;
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(65_536));
      requests++;
      connection.close();
    }
  })();
  const url = `http://127.0.0.1:${listener.addr.port}/`;
  await withWebhooks({ url }, async ({ hooks, settled, outcomes }) => {
    const call = hooks.onRpc({ session: SESSION, method: "pay", data: text("5") });
    assert.deepEqual(await settled(call), UNAVAILABLE);
    assert.equal(requests, 1);
    assert.deepEqual(await settled(hooks.onPublish(publication(text("x")))), UNAVAILABLE);
    assert.equal(requests, 4);
    assert.deepEqual(outcomes(), { "rpc unreachable": 1, "publish unreachable": 1 });
  });
  listener.close();
  await serving;
});

Deno.test("a backend with a certificate that nobody vouches for is not told anything", async () => {
  const { certPem: cert, keyPem: key } = await createDevelopmentCertificate();
  let requests = 0;
  const respond = () => {
    requests++;
    return json({});
  };
  const server = Deno.serve({ port: 0, hostname: "localhost", cert, key, onListen() {} }, respond);
  const url = `https://localhost:${server.addr.port}/`;
  const options = { url, attempts: 1, breakerFailures: 1 };
  await withWebhooks(options, async ({ hooks, settled, log }) => {
    assert.deepEqual(await settled(hooks.onConnect(REQUEST)), UNAVAILABLE);
    assert.match(log[0]!, /certificate/);
    assert.equal(requests, 0);
  });
  await server.shutdown();
});

Deno.test("a question is put three times at most", async () => {
  await withWebhooks({ respond: () => json({}, 503) }, async (scene) => {
    assert.deepEqual(await scene.settled(scene.hooks.onConnect(REQUEST)), UNAVAILABLE);
    assert.equal(scene.backend.received.length, 3);
    assert.deepEqual(scene.outcomes(), { "connect failed": 1 });
  });
});

Deno.test("a backend that is away is left alone after some failures, and found again by one question", async () => {
  const port = deadPort();
  await withWebhooks({
    url: `http://127.0.0.1:${port}/hooks?tenant=7`,
    attempts: 1,
    breakerFailures: 3,
    breakerOpenMs: 5000,
  }, async ({ hooks, settled, webhooks, clock, log, outcomes }) => {
    const ask = () => settled(hooks.onConnect(REQUEST));
    for (let i = 0; i < 5; i++) assert.deepEqual(await ask(), UNAVAILABLE);
    assert.deepEqual(outcomes(), { "connect unreachable": 3, "connect open": 2 });
    assert.equal(webhooks.state.breaker, "open");
    assert.match(log.join("\n"), /^The webhook's backend did not answer 3 times in a row.*refused/);
    assert.ok(!log[0]!.includes("tenant"), log[0]);

    clock.advance(6250);
    assert.deepEqual(await ask(), UNAVAILABLE);
    assert.equal(webhooks.state.breaker, "open", "the probe failed");
    assert.equal(log.length, 1, "told once");

    const held = Promise.withResolvers<void>();
    const backend = new Backend(() => held.promise.then(() => json({ user: "ann" })), port);
    clock.advance(6250);
    const probe = ask();
    await until(() => backend.open === 1);
    assert.deepEqual(await ask(), UNAVAILABLE);
    assert.equal(backend.received.length, 1, "one probe");
    held.resolve();
    assert.deepEqual(await probe, { user: "ann" });
    assert.equal(webhooks.state.breaker, "closed");
    assert.deepEqual(await ask(), { user: "ann" });
    assert.deepEqual(log.slice(1), ["The webhook's backend answers again"]);
    await backend.close();
  });
});

Deno.test("no more than maxConcurrent are asked at once, and no more than maxWaiting wait", async () => {
  const held = Promise.withResolvers<void>();
  const respond = async () => {
    await held.promise;
    return json({});
  };
  await withWebhooks({ respond, maxConcurrent: 2, maxWaiting: 3 }, async (scene) => {
    const { hooks, backend, settled, webhooks, outcomes } = scene;
    const asked = Array.from({ length: 7 }, () => hooks.onConnect(REQUEST));
    for (const each of asked) Promise.resolve(each).catch(() => {});
    await until(() => backend.open === 2);
    assert.deepEqual([webhooks.state.asking, webhooks.state.waiting], [2, 3]);
    assert.deepEqual(await settled(asked[5]), UNAVAILABLE);
    assert.deepEqual(await settled(asked[6]), UNAVAILABLE);
    held.resolve();
    assert.deepEqual(await settled(Promise.all(asked.slice(0, 5))), [{}, {}, {}, {}, {}]);
    assert.equal(backend.mostOpen, 2);
    assert.deepEqual(outcomes(), { "connect busy": 2, "connect allowed": 5 });
    assert.deepEqual([webhooks.state.asking, webhooks.state.waiting], [0, 0]);
  });
});

Deno.test("who waits in vain leaves the line", async () => {
  const held = Promise.withResolvers<Response>();
  await withWebhooks({ respond: () => held.promise, maxConcurrent: 1 }, async (scene) => {
    const { hooks, backend, webhooks, clock, settled } = scene;
    const asked = [hooks.onConnect(REQUEST), hooks.onConnect(REQUEST)];
    const both = Promise.allSettled(asked);
    await until(() => backend.open === 1);
    clock.advance(3000);
    await settled(both);
    assert.equal(backend.received.length, 1);
    assert.deepEqual([webhooks.state.asking, webhooks.state.waiting], [0, 0]);
    held.resolve(json({}));
    backend.respond = () => json({});
    assert.deepEqual(await settled(hooks.onConnect(REQUEST)), {});
  });
});

Deno.test("a question that had no time left when its turn came says nothing of the backend", async () => {
  const options = { maxConcurrent: 1, breakerFailures: 1, timeoutMs: 3000 };
  await withWebhooks(options, async ({ hooks, backend, clock, settled, webhooks, outcomes }) => {
    const first = Promise.withResolvers<Response>();
    const second = Promise.withResolvers<Response>();
    backend.respond = ({ delivery }) =>
      delivery.event === "connect" ? first.promise : second.promise;
    const asked = settled(hooks.onConnect(REQUEST));
    await until(() => backend.open === 1);
    const waiting = settled(hooks.onSubscribe({ session: SESSION, channel: "a" }));
    clock.advance(2000);
    first.resolve(json({}));
    await asked;
    await until(() => backend.received.length === 2);
    clock.advance(1000);
    assert.deepEqual(await waiting, UNAVAILABLE);
    assert.deepEqual(outcomes(), { "connect allowed": 1, "subscribe timeout": 1 });
    assert.equal(webhooks.state.breaker, "closed");
    second.resolve(json({}));
  });
});

Deno.test("a session that asks much waits for itself", async () => {
  const held = Promise.withResolvers<void>();
  const options = { maxConcurrent: 2, maxWaiting: 10 };
  await withWebhooks(options, async ({ hooks, backend, settled, outcomes }) => {
    backend.respond = () => held.promise.then(() => json({}));
    const call = (session: string) =>
      hooks.onRpc({ session: { ...SESSION, id: session }, method: "x", data: text(session) });
    const flood = Promise.allSettled(Array.from({ length: 100 }, () => call("greedy")));
    await until(() => backend.open === 2);
    const others = Promise.all([call("modest"), call("shy")]);
    held.resolve();
    await settled(others);
    await settled(flood);
    const order = backend.received.map(({ delivery }) =>
      delivery.event === "rpc" && delivery.session.id
    );
    assert.ok(order.indexOf("modest") < 6 && order.indexOf("shy") < 6, order.join());
    // Those that were sent out of the line for the two are refused, as those that found it full.
    assert.deepEqual(outcomes(), { "rpc busy": 90, "rpc allowed": 12 });
  });
});

Deno.test("onFailure allows, by event, what the backend cannot be asked about", async () => {
  const options = {
    respond: () => json({}, 500),
    onFailure: { subscribe: "allow", rpc: "allow" },
  } as const;
  await withWebhooks(options, async ({ hooks, settled, outcomes }) => {
    assert.deepEqual(await settled(hooks.onConnect(REQUEST)), UNAVAILABLE);
    assert.equal(await settled(hooks.onSubscribe({ session: SESSION, channel: "a" })), undefined);
    assert.equal(
      await settled(hooks.onRpc({ session: SESSION, method: "x", data: text("") })),
      undefined,
    );
    assert.deepEqual(outcomes(), { "connect failed": 1, "subscribe failed": 1, "rpc failed": 1 });
  });
});

Deno.test("only the events and namespaces that are named are asked about", async () => {
  const options = { events: ["publish", "subscribe"], namespaces: ["chat"] } as const;
  await withWebhooks(options, async ({ webhooks: { hooks }, backend, settled }) => {
    assert.deepEqual(Object.keys(hooks).toSorted(), ["onPublish", "onSubscribe"]);
    assert.equal(hooks.onPublish!(publication(text("x"), "points:a")), undefined);
    assert.equal(hooks.onSubscribe!({ session: SESSION, channel: "chatter" }), undefined);
    await settled(hooks.onSubscribe!({ session: SESSION, channel: "chat" }));
    await settled(hooks.onPublish!(publication(text("x"), "chat:a")));
    assert.deepEqual(backend.events, ["subscribe", "publish"]);
  });
});
