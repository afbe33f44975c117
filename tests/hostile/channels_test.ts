import assert from "node:assert/strict";
import { CommandError } from "../../src/client/mod.ts";
import { OPEN, type ServerOptions } from "../../src/mod.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { KINDS, type TestServer, withServer } from "../integration/harness.ts";
import { until } from "../until.ts";

const NAMESPACES: ServerOptions["namespaces"] = {
  chat: { presence: true, permissions: OPEN },
  points: { delivery: "latest", permissions: OPEN },
};

/** Names that no channel may have, for what they would do to a log, a line or an eye. */
const REFUSED = [
  "",
  ":a",
  "chat:\0",
  "chat:a\nb",
  "chat:a\r\nPUBLISH x y\r\n",
  "chat:a b",
  "chat:a\tb",
  "chat:\u00a0",
  "chat:\u2028",
  "chat:\u200b",
  "chat:\u202egnp",
  "chat:\ufeff",
  "chat:\u0085",
  "\u200bchat:a",
  `chat:${"a".repeat(251)}`,
  `chat:${"\u{1f600}".repeat(63)}`,
];

/** Names that mean something elsewhere and are names here: each is a channel of its own. */
const ODD = [
  "chat:a",
  "chat:A",
  "chat:a:",
  "chat:a:meta",
  "chat:a}:history",
  "chat:{a}",
  "chat:{/a}",
  "chat:{/chat:a}",
  "chat:}",
  "chat:*",
  "chat:?",
  "chat:[a-z]",
  "chat:\\*",
  "chat:%61",
  "chat:%00",
  "chat:../a",
  "chat:/etc/passwd",
  "chat:'; DROP TABLE a; --",
  "chat:$(id)",
  "chat:`id`",
  "chat:<script>alert(1)</script>",
  'chat:","type":"gap',
  "chat:\u00e9",
  "chat:e\u0301",
  // Cyrillic, which looks like "chat:a".
  "chat:\u0430",
  "chat:\uff41",
  "chat:__proto__",
  "chat:constructor",
  "chat:\u{1f600}",
  `chat:${"a".repeat(250)}`,
].map((name) => name.replaceAll(" ", "_"));

/** What nodes tell one another by, and what would be a namespace to an object or to Redis. */
const INNER = [
  "$nodes",
  "$nodes:a",
  "$mail",
  "$mail:0",
  "$revoked",
  "$revoked:a",
  "__proto__",
  "constructor:a",
  "toString",
  "*",
  "*:*",
  "slipstream:{/chat:a}",
  "\u0441hat:a",
  "CHAT:a",
];

/** The codes with which every way to use a channel is refused; 0 where it is not. */
async function codesOf(test: TestServer, kind: typeof KINDS[number], names: readonly string[]) {
  const client = test.client(kind);
  const codes: (readonly [string, number[]])[] = [];
  for (const name of names) {
    const channel = client.channel(name);
    const asked = await Promise.allSettled([
      channel.subscribe({ onPublication() {} }).ready,
      channel.publish("x"),
      channel.history(),
      channel.presence(),
    ]);
    codes.push([
      name,
      asked.map((each) =>
        each.status === "fulfilled"
          ? 0
          : each.reason instanceof CommandError
          ? each.reason.code
          : -1
      ),
    ]);
  }
  assert.equal(client.state, "connected");
  return codes;
}

async function checkOdd(test: TestServer, kind: typeof KINDS[number]): Promise<void> {
  const client = test.client(kind);
  const got = new Map<string, unknown[]>(ODD.map((name) => [name, []]));
  await Promise.all(ODD.map((name) =>
    client.channel(name).subscribe({
      onPublication: ({ data }) => got.get(name)!.push(data),
    }).ready
  ));
  await Promise.all(ODD.map((name) => client.channel(name).publish(name)));
  await until(() => [...got.values()].every(({ length }) => length > 0), "one in each channel");
  for (const name of ODD) {
    const { publications } = await client.channel(name).history();
    assert.deepEqual(publications.map(({ data }) => data), [name]);
    assert.deepEqual(got.get(name), [name]);
    const members = await client.channel(name).presence();
    assert.deepEqual(members.map(({ session }) => session), [client.session]);
  }
}

for (const kind of KINDS) {
  Deno.test(`${kind}: a name that is none is refused, whatever is done with it, and the session goes on`, async () => {
    await withServer({ namespaces: NAMESPACES }, async (test) => {
      for (const [name, codes] of await codesOf(test, kind, REFUSED)) {
        assert.deepEqual(codes, [400, 400, 400, 400], JSON.stringify(name));
      }
      for (const [name, codes] of await codesOf(test, kind, INNER)) {
        assert.ok(codes.every((code) => code === 403 || code === 404), `${name}: ${codes}`);
      }
      assert.deepEqual(test.log, []);
    });
  });

  Deno.test(`${kind}: channels with odd names are channels of their own, in memory`, async () => {
    await withServer({ namespaces: NAMESPACES }, (test) => checkOdd(test, kind));
  });
}

Deno.test("channels with odd names are channels of their own in Redis, and no client reaches the nodes' own", async () => {
  const redis = await TestRedis.start();
  try {
    const options = { namespaces: NAMESPACES, redis: { url: redis.url } };
    await withServer(options, async (test) => {
      await checkOdd(test, "websocket");
      for (const [name, codes] of await codesOf(test, "websocket", [...REFUSED, ...INNER])) {
        assert.ok(codes.every((code) => code >= 400 && code < 500), `${name}: ${codes}`);
      }
      const keys = await redis.ask((client) => client.keys("*"));
      assert.ok(keys.every((key) => key.startsWith("slipstream:")), keys.join("\n"));
    });
  } finally {
    await redis.stop();
  }
});

Deno.test("keys with every odd character are keys of their own", async () => {
  await withServer({ namespaces: NAMESPACES }, async ({ client }) => {
    const keys = ["a", "\0", "\n", " ", "__proto__", "constructor", "{a}", "*", "\u202e", "é"];
    const values = new Map<string, unknown>();
    const one = client("sse");
    await one.channel("points:a").subscribe({
      onPublication: ({ key, data }) => values.set(key!, data),
    }).ready;
    for (const key of keys) {
      await one.channel("points:a").publish(key, { key, acknowledge: true });
    }
    await until(() => values.size === keys.length, "a value of each key");
    for (const key of keys) assert.equal(values.get(key), key);
  });
});
