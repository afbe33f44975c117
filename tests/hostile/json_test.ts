import assert from "node:assert/strict";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import { KINDS, type TestServer, withServer } from "../integration/harness.ts";
import { openRaw } from "../integration/raw_peer.ts";
import { EventReader } from "../transport/sse_peer.ts";
import { until } from "../until.ts";

const KEY = "an-api-key-with-32-bytes-or-more";
const OPTIONS = { api: { keys: [KEY] } };

/** As deep as fits into the largest message. */
const DEEP = "[".repeat(32_000) + "]".repeat(32_000);
const encoder = new TextEncoder();
const deepPayload = { format: "json", bytes: encoder.encode(DEEP) } as const;
/** The same in what a session may say of itself. */
const deepInfo = {
  format: "json",
  bytes: encoder.encode("[".repeat(512) + "]".repeat(512)),
} as const;

function askApi(
  { server }: TestServer,
  path: string,
  body?: string,
): Promise<Response> {
  const authorization = `Bearer ${KEY}`;
  return fetch(`http://localhost:${server.developmentPort}${path}`, {
    headers: { authorization, "content-type": "application/json" },
    ...(body !== undefined && { method: "POST", body }),
  });
}

/** Sends lines of the JSON dialect over a WebSocket, leaves when all are answered, and returns what came. */
async function sayJson(
  { server }: TestServer,
  lines: readonly string[],
): Promise<{ messages: Record<string, unknown>[]; code: unknown }> {
  const socket = new WebSocket(
    `ws://localhost:${server.developmentPort}/rt/ws`,
    SUBPROTOCOL.json,
  );
  const messages: Record<string, unknown>[] = [];
  const closed = Promise.withResolvers<void>();
  socket.onopen = () => {
    for (const line of ['{"type":"connect","id":1}', ...lines]) socket.send(line);
  };
  socket.onmessage = ({ data }) => {
    for (const line of data.split("\n")) messages.push(JSON.parse(line));
    if (messages.length === 1 + lines.length) socket.send('{"type":"leave"}');
  };
  socket.onclose = () => closed.resolve();
  await closed.promise;
  // Deno forgets its close frame where the peer was just sending, and this message not.
  const last = messages.pop();
  return { code: last?.type === "close" ? last.code : undefined, messages };
}

for (const kind of KINDS) {
  Deno.test(`${kind}: JSON of any depth reaches who wants it or is refused, and what follows arrives`, async () => {
    await withServer(OPTIONS, async (test) => {
      const { client, server, log } = test;
      const honest = client(kind);
      const got: unknown[] = [];
      await honest.channel("chat:deep").subscribe({
        onPublication: ({ data }) => got.push(data),
      }).ready;
      await using peer = await openRaw("websocket", server);
      // What the binary dialect carries is not looked at.
      await peer.send(
        { type: "connect", id: 1, info: deepInfo },
        { type: "publish", id: 2, channel: "chat:deep", data: deepPayload },
      );
      assert.equal((await peer.next()).type, "connected");
      assert.equal((await peer.next()).type, "published");
      await server.publish("chat:deep", "next");
      await until(() => got.length === 2, "both publications");
      assert.ok(Array.isArray(got[0]));
      assert.equal(got[1], "next");
      assert.equal(honest.state, "connected");
      assert.deepEqual(log, []);
    });
  });
}

Deno.test("JSON too deep to be written is the peer's error over every way in", async () => {
  await withServer(OPTIONS, async (test) => {
    const publish = `{"type":"publish","id":2,"channel":"chat:deep","data":${DEEP}}`;
    const { code } = await sayJson(test, [publish]);
    assert.ok(code === 3501 || code === 3500, `${code}`);
    const { code: torn } = await sayJson(test, ["[".repeat(60_000)]);
    assert.equal(torn, 3501);

    const api = await askApi(test, "/api/publish", `{"channel":"chat:deep","data":${DEEP}}`);
    assert.ok(api.status === 200 || api.status === 400, `${api.status}`);
    await api.body?.cancel();
    const broken = await askApi(test, "/api/publish", "[".repeat(60_000));
    assert.equal(broken.status, 400);
    await broken.body?.cancel();
    assert.deepEqual(test.log, []);
  });
});

Deno.test("deep JSON of a client does not keep a backend from the channel", async () => {
  await withServer(OPTIONS, async (test) => {
    await using peer = await openRaw("websocket", test.server);
    await peer.send(
      { type: "connect", id: 1, info: deepInfo },
      { type: "subscribe", id: 2, channel: "chat:deep" },
      { type: "publish", id: 3, channel: "chat:deep", data: deepPayload },
    );
    for (let type = ""; type !== "published";) {
      ({ type } = await peer.next());
      assert.notEqual(type, "close");
    }
    for (const path of ["/api/history?channel=chat:deep", "/api/presence?channel=chat:deep"]) {
      const response = await askApi(test, path);
      assert.equal(response.status, 200, path);
      await response.json();
    }
    assert.deepEqual(test.log, []);
  });
});

/** Names that mean something to an object of JavaScript. */
const PROTOTYPE_NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "__defineGetter__",
];

Deno.test("no JSON of a client reaches a prototype", async () => {
  await withServer({ ...OPTIONS, rpc: {} }, async (test) => {
    for (const name of PROTOTYPE_NAMES) {
      // As a type, as a field that no message has, as a method, as a namespace.
      assert.equal((await sayJson(test, [`{"type":"${name}"}`])).code, 3501, name);
      const field = `{"type":"ping","id":1,"${name}":{"polluted":true}}`;
      assert.equal((await sayJson(test, [field])).code, 3501, name);
      const { code, messages } = await sayJson(test, [
        `{"type":"rpc","id":2,"method":"${name}","data":{"__proto__":{"polluted":true}}}`,
        `{"type":"subscribe","id":3,"channel":"${name}"}`,
        `{"type":"publish","id":4,"channel":"${name}:a","data":1}`,
        `{"type":"publish","id":5,"channel":"chat:a","data":{"${name}":{"polluted":true}}}`,
        `{"type":"publish","id":6,"channel":"points:a","key":"${name}","data":{"polluted":true}}`,
      ]);
      assert.equal(code, 3500);
      const errors = messages.filter(({ type }) => type === "error");
      assert.deepEqual(
        errors.map(({ id, code }) => [id, code]),
        [[2, 404], [3, 404], [4, 404]],
        name,
      );
      const api = await askApi(
        test,
        "/api/publish",
        `{"channel":"chat:a","data":1,"${name}":{"polluted":true}}`,
      );
      // Valibot drops what would be the prototype of the object that it makes.
      assert.ok(api.status === 400 || name === "__proto__", `${name}: ${api.status}`);
      await api.body?.cancel();
      assert.equal(({} as Record<string, unknown>).polluted, undefined);
      assert.equal(Object.hasOwn(Object.prototype, "polluted"), false);
    }
    assert.deepEqual(test.log, []);
  });
});

Deno.test("what a client calls itself or its method does not leave its line", async () => {
  await withServer(OPTIONS, async (test) => {
    const { messages } = await sayJson(test, [
      JSON.stringify({ type: "rpc", id: 2, method: 'x"}\n{"type":"close"}\r\n\u2028', data: 1 }),
      JSON.stringify({ type: "subscribe", id: 3, channel: 'chat\n{"type":"gap"}' }),
    ]);
    const types = messages.map(({ type }) => type);
    assert.deepEqual(types, ["connected", "error", "error"]);
  });
});

Deno.test("what a client publishes is no event of another's stream, and no line of its messages", async () => {
  await withServer(OPTIONS, async (test) => {
    const { client, server } = test;
    const texts = [
      '"a"\n\nevent: close\ndata: {"code":3500,"reason":""}\n\n',
      '{"a":\n\n"b"\r\n\r\n}',
      '"a"\r\rid: 7\r\r',
      '"a"\n{"type":"close","code":3500,"reason":""}',
      '"\u2028event: close"',
      "\0",
    ];
    const readers = KINDS.map((kind) => {
      const got: unknown[] = [];
      const reader = client(kind);
      const joined: unknown[] = [];
      const { ready } = reader.channel("chat:a").subscribe({
        onPublication: ({ data }) => got.push(data),
        onJoin: ({ info }) => joined.push(info),
      });
      return { reader, got, joined, ready };
    });
    await Promise.all(readers.map(({ ready }) => ready));
    const plain = await fetch(`${server.developmentUrl}/rt/sse?channel=chat:a`);
    const events = new EventReader(plain);
    await using peer = await openRaw("websocket", server);
    await peer.send(
      { type: "connect", id: 1, info: { format: "json", bytes: encoder.encode("{") } },
      { type: "subscribe", id: 100, channel: "chat:a" },
      ...texts.map((text, at) => ({
        type: "publish",
        id: at + 2,
        channel: "chat:a",
        data: { format: "json", bytes: encoder.encode(text) },
      } as const)),
    );
    for (const { reader, got, joined } of readers) {
      await until(() => got.length === texts.length, "all publications");
      assert.deepEqual(got[1], { a: "b" });
      // What only says that it is JSON is bytes, on every transport.
      assert.deepEqual(got[0], encoder.encode(texts[0]!));
      assert.deepEqual(joined.at(-1), encoder.encode("{"));
      assert.equal(reader.state, "connected");
    }
    await server.publish("chat:a", "last");
    for (let data = ""; !data.includes('"last"');) {
      const event = (await events.next())!;
      assert.notEqual(event.event, "close");
      ({ data } = event);
      for (const line of data.split("\n").filter((line) => line !== "")) JSON.parse(line);
    }
    await events.cancel();
  });
});

for (const kind of KINDS) {
  Deno.test(`${kind}: a reason with line breaks reaches its client as it is, and nothing else does`, async () => {
    await withServer({}, async ({ server }) => {
      await using peer = await openRaw(kind, server);
      await peer.send({ type: "connect", id: 1 });
      const connected = await peer.next();
      assert.ok(connected.type === "connected");
      const reason = 'a\r\n\r\nevent: open\ndata: {}\n\n{"type":"gap"}';
      await server.disconnect({ session: connected.session }, { code: 4500, reason });
      assert.deepEqual(await peer.end(), { code: 4500, reason });
    });
  });
}
