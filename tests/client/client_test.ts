import assert from "node:assert/strict";
import type { ConnectOptions } from "../../src/client/client.ts";
import { Core } from "../../src/client/core.ts";
import { ClosedError, OutcomeUnknownError } from "../../src/client/errors.ts";
import type { ReceivedPublication } from "../../src/client/publication.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import type { Connect, PublicationMessage } from "../../src/protocol/message.ts";
import { overloadedReason } from "../../src/protocol/retry_after.ts";
import { settle } from "../fake_clock.ts";
import { FakeServer } from "./fake_server.ts";

let tests = 0;

/** A client of a fake server; its origin is its own, as what worked is remembered by origin. */
function start(options: ConnectOptions = {}, server = new FakeServer()) {
  const client = new Core(new URL(`https://client${tests++}.test`), options, server.environment());
  const events: unknown[] = [];
  for (const name of ["state", "transport", "drain", "error", "close"] as const) {
    client.on(name, (value) => events.push(name, value));
  }
  return { server, client, events };
}

async function connected(options: ConnectOptions = {}, server = new FakeServer()) {
  const started = start(options, server);
  await settle();
  server.connected();
  await settle();
  return started;
}

function publication(offset: number, rest: Partial<PublicationMessage> = {}): PublicationMessage {
  const bytes = new TextEncoder().encode(String(offset));
  return {
    type: "publication",
    channel: "chat:a",
    offset,
    time: 1,
    data: { format: "json", bytes },
    ...rest,
  };
}

const CONFIRMED = {
  type: "subscribed",
  channel: "chat:a",
  delivery: "ordered",
  position: { epoch: "e", offset: 10 },
  recovered: true,
} as const;

/** Subscribes to chat:a and notes all that comes of it. */
function subscribe(client: Core, options: { position?: { epoch: string; offset: number } } = {}) {
  const seen: unknown[] = [];
  const subscription = client.channel<number>("chat:a").subscribe({
    ...options,
    onPublication: ({ offset, removed }: ReceivedPublication<number>) =>
      seen.push(removed ? -offset : offset),
    onGap: ({ missed }) => seen.push(`gap ${missed}`),
    onSubscribed: ({ delivery }) => seen.push(delivery),
    onUnsubscribed: ({ code }) => seen.push(`end ${code}`),
    onJoin: ({ session, info }) => seen.push(`join ${session} ${info}`),
    onLeave: ({ session }) => seen.push(`leave ${session}`),
  });
  return { seen, subscription };
}

/** The last message of that type that the client has sent. */
function last<Type extends string>(server: FakeServer, type: Type) {
  const message = server.transport.received.findLast((message) => message.type === type);
  assert(message !== undefined, `No ${type} was sent`);
  return message as Extract<typeof message, { type: Type }>;
}

function confirm(server: FakeServer, rest: object = {}): void {
  server.transport.deliver({ ...CONFIRMED, id: last(server, "subscribe").id, ...rest });
}

Deno.test("a client connects over the best transport and says so", async () => {
  const { server, client, events } = await connected({ info: { name: "Ada" } });
  await client.ready;
  assert.equal(client.state, "connected");
  assert.equal(client.transport, "webtransport");
  assert.equal(client.session, "s1");
  assert.deepEqual(client.fallbacks, []);
  assert.deepEqual(events, ["transport", "webtransport", "state", "connected"]);
  const { info, resume } = last(server, "connect") as Connect;
  assert.equal(new TextDecoder().decode(info!.bytes), '{"name":"Ada"}');
  assert.equal(resume, undefined);
  client.close();
  assert.equal(server.clock.pendingTimers, 0);
});

Deno.test("a client says why it fell back, and begins with what worked the next time", async () => {
  const server = new FakeServer();
  server.blocked.webtransport = "silence";
  const url = new URL("https://fallback.test");
  const first = new Core(url, {}, server.environment());
  await server.clock.advanceAsync(200);
  server.connected();
  await settle();
  assert.equal(first.transport, "websocket");
  assert.deepEqual(first.fallbacks, [
    { transport: "webtransport", reason: "websocket was open first" },
  ]);
  first.close();
  delete server.blocked.webtransport;
  const second = new Core(url, {}, server.environment());
  await settle();
  server.connected();
  assert.equal(second.transport, "websocket");
  assert.deepEqual(second.fallbacks, [
    { transport: "webtransport", reason: "websocket worked last" },
  ]);
  second.close();
});

Deno.test("a transport that was forced is not remembered", async () => {
  const server = new FakeServer();
  const url = new URL("https://forced.test");
  for (const [transports, used] of [[["sse"], "sse"], [undefined, "webtransport"]] as const) {
    const client = new Core(url, transports && { transports } || {}, server.environment());
    await settle();
    server.connected();
    assert.equal(client.transport, used);
    client.close();
  }
});

Deno.test("a client that may use one transport alone uses no other", async () => {
  const server = new FakeServer();
  server.blocked.sse = new Error("blocked");
  const { client, events } = start({ transports: ["sse"] }, server);
  await settle();
  assert.equal(server.transports.length, 0);
  assert.equal(client.state, "connecting");
  assert.match(String(events[1]), /No transport could be opened: sse: blocked/);
  client.close();
});

Deno.test("asking the server is retried with growing delays until it answers", async () => {
  const server = new FakeServer();
  server.infoError = new TypeError("fetch failed");
  const { client, events } = start({}, server);
  await server.clock.advanceAsync(120_000);
  assert(server.asked > 5 && server.asked < 40, `${server.asked}`);
  assert.equal(events.filter((event) => event === "error").length, server.asked);
  server.infoError = undefined;
  await server.clock.advanceAsync(30_000);
  server.connected();
  await client.ready;
  client.close();
});

Deno.test("a connect that is not answered gives way to another transport", async () => {
  const { server, client } = start();
  await server.clock.advanceAsync(10_000);
  assert.equal(server.transports[0]!.closedWith?.code, CloseCode.PING_TIMEOUT);
  await server.clock.advanceAsync(5000);
  assert.equal(server.transports.length, 2);
  client.close();
});

Deno.test("what is called before the client is connected is sent once it is, as one write", async () => {
  const { server, client } = start();
  const chat = client.channel("chat:a");
  const published = chat.publish({ text: "hi" });
  subscribe(client);
  chat.publish("loose", { acknowledge: false });
  await settle();
  assert.deepEqual(server.transport.received.map(({ type }) => type), ["connect"]);
  server.connected();
  await settle();
  const write = server.transport.writes[1]!;
  assert.deepEqual(write.map(({ type }) => type), ["ping", "publish", "publish", "subscribe"]);
  server.transport.deliver({ type: "published", id: 1, position: { epoch: "e", offset: 4 } });
  assert.deepEqual(await published, { epoch: "e", offset: 4 });
  client.close();
});

Deno.test("ordered publications come in order, none twice and none before the confirmation", async () => {
  const { server, client } = await connected();
  const { seen, subscription } = subscribe(client);
  await settle();
  server.transport.deliver(publication(9));
  confirm(server);
  await subscription.ready;
  server.transport.deliver(publication(11), publication(11), publication(10), publication(12));
  assert.deepEqual(seen, ["ordered", 11, 12]);
  assert.deepEqual(subscription.position, { epoch: "e", offset: 12 });
  client.close();
});

Deno.test("a hole is filled by subscribing again from where it begins", async () => {
  const { server, client } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  server.transport.deliver(publication(11), publication(14));
  await settle();
  assert.deepEqual(last(server, "unsubscribe").channel, "chat:a");
  const again = last(server, "subscribe");
  assert.deepEqual(again.position, { epoch: "e", offset: 11 });
  server.transport.deliver(publication(15));
  confirm(server, { position: { epoch: "e", offset: 15 } });
  for (const offset of [12, 13, 14, 15, 16]) server.transport.deliver(publication(offset));
  assert.deepEqual(seen, ["ordered", 11, "ordered", 12, 13, 14, 15, 16]);
  client.close();
});

Deno.test("a hole that stays is said as a gap, once, instead of asking for ever", async () => {
  const { server, client } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  server.transport.deliver(publication(12));
  await settle();
  confirm(server);
  server.transport.deliver(publication(12), publication(13));
  assert.deepEqual(seen, ["ordered", "ordered", "gap 1", 12, 13]);
  client.close();
});

Deno.test("a gap moves on; one that is behind already is not passed on", async () => {
  const { server, client } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  const gap = { type: "gap", channel: "chat:a" } as const;
  server.transport.deliver({ ...gap, position: { epoch: "e", offset: 9 }, missed: 3 });
  server.transport.deliver({ ...gap, position: { epoch: "e", offset: 20 } }, publication(21));
  server.transport.deliver({ ...gap, position: { epoch: "f", offset: 0 } }, publication(1));
  assert.deepEqual(seen, ["ordered", "gap 10", 21, "gap undefined", 1]);
  client.close();
});

Deno.test("a lost transport resumes the session where the client is, and misses nothing", async () => {
  const { server, client, events } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  server.transport.deliver(publication(11));
  const unanswered = client.channel("chat:a").publish("once");
  await settle();
  const { id } = last(server, "publish");
  server.transport.cut();
  assert.equal(client.state, "reconnecting");
  assert.equal(client.transport, undefined);
  await server.clock.advanceAsync(4000);
  assert.deepEqual((last(server, "connect") as Connect).resume, {
    session: "s1",
    ticket: "t1",
    positions: [{ channel: "chat:a", epoch: "e", offset: 11 }],
  });
  server.connected({ ticket: "t2" });
  await settle();
  assert.equal(last(server, "publish").id, id);
  server.transport.deliver(
    { ...CONFIRMED, id: 0, position: { epoch: "e", offset: 11 } },
    publication(11),
    publication(12),
    { type: "published", id, position: { epoch: "e", offset: 12 } },
  );
  assert.deepEqual(await unanswered, { epoch: "e", offset: 12 });
  assert.deepEqual(seen, ["ordered", 11, "ordered", 12]);
  assert(!server.transport.received.some(({ type }) => type === "subscribe"));
  assert.deepEqual(events.filter((event) => event === "error"), []);
  client.close();
});

Deno.test("a session that is gone is subscribed anew from the position, and a gap is said", async () => {
  const { server, client } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  const doubtful = client.channel("chat:a").publish("lost?");
  doubtful.catch(() => {});
  await settle();
  server.transport.cut();
  await server.clock.advanceAsync(4000);
  server.connected({ resumed: false, session: "s2" });
  await settle();
  assert.equal(client.session, "s2");
  await assert.rejects(doubtful, OutcomeUnknownError);
  assert.deepEqual(last(server, "subscribe").position, { epoch: "e", offset: 10 });
  confirm(server, { recovered: false, position: { epoch: "e", offset: 15 } });
  server.transport.deliver(publication(16));
  assert.deepEqual(seen, ["ordered", "ordered", "gap 5", 16]);
  client.close();
});

Deno.test("the server spreads its clients' return, unless it has announced the end", async () => {
  const { server, client, events } = await connected();
  await server.clock.advanceAsync(20_000);
  server.transport.deliver({ type: "drain", delayMs: 5000 });
  assert.deepEqual(events.slice(-2), ["drain", { delayMs: 5000 }]);
  server.transport.cut(CloseCode.SHUTDOWN);
  await server.clock.advanceAsync(0);
  assert.equal(server.transports.length, 2);
  server.connected();
  await server.clock.advanceAsync(20_000);
  server.transport.cut(CloseCode.SHUTDOWN);
  await server.clock.advanceAsync(0);
  assert.equal(server.transports.length, 2);
  await server.clock.advanceAsync(4000);
  assert.equal(server.transports.length, 3);
  client.close();
});

Deno.test("a client stays away as long as the server that closed it has asked for", async () => {
  const { server, client } = await connected();
  await server.clock.advanceAsync(20_000);
  server.transport.cut(CloseCode.OVERLOADED, overloadedReason("Full", 7000));
  server.awake();
  await server.clock.advanceAsync(6999);
  assert.equal(server.asked, 1);
  await server.clock.advanceAsync(1001);
  assert.equal(server.asked, 2);
  client.close();
});

Deno.test("a client shows that a session waits for it before it comes back", async () => {
  const { server, client } = await connected();
  assert.equal(server.resume, undefined);
  server.transport.cut();
  await server.clock.advanceAsync(4000);
  assert.equal(server.resume, "s1 t1");
  server.connected({ ticket: "t2" });
  server.transport.cut();
  await server.clock.advanceAsync(4000);
  assert.equal(server.resume, "s1 t2");
  client.close();
});

Deno.test("a code that forbids coming back closes the client, with all that waits", async () => {
  for (const code of [3500, 3501, 3999, 4500, 4999]) {
    const { server, client, events } = await connected();
    const { seen } = subscribe(client);
    const waiting = client.channel("chat:a").history();
    waiting.catch(() => {});
    server.transport.cut(code, "no more");
    assert.equal(client.state, "closed");
    assert.deepEqual(await client.closed, { code, reason: "no more" });
    await assert.rejects(waiting, { name: "ClosedError", code, reason: "no more" });
    await assert.rejects(client.channel("chat:a").publish("late"), ClosedError);
    assert.throws(() => subscribe(client), ClosedError);
    assert.deepEqual(seen, [`end ${code}`]);
    assert.deepEqual(events.slice(-2), ["close", { code, reason: "no more" }]);
    assert.equal(server.clock.pendingTimers, 0);
  }
});

Deno.test("codes that allow it, and those of other systems, bring the client back", async () => {
  for (const code of [3000, 3004, 3499, 4000, 4499, 1006]) {
    const { server, client } = await connected();
    server.transport.cut(code);
    assert.equal(client.state, "reconnecting");
    await server.clock.advanceAsync(4000);
    assert.equal(server.transports.length, 2);
    client.close();
  }
});

Deno.test("a client that closes tells the server, and rejects what waits", async () => {
  const { server, client } = await connected();
  const waiting = client.rpc("add");
  waiting.catch(() => {});
  client.close(4000, "bye");
  client.close(4001, "again");
  assert.equal(server.transport.received.at(-1)!.type, "leave");
  assert.deepEqual(server.transport.closedWith, { code: 4000, reason: "bye" });
  assert.deepEqual(await client.closed, { code: 4000, reason: "bye" });
  await assert.rejects(waiting, ClosedError);
});

Deno.test("a client that is closed before it is connected opens nothing more", async () => {
  const { server, client } = start();
  client.close();
  await assert.rejects(client.ready, ClosedError);
  await server.clock.advanceAsync(60_000);
  assert.equal(server.transports.filter(({ closedWith }) => closedWith === undefined).length, 0);
});

Deno.test("a client moves to another transport with its session, and ignores the old one", async () => {
  const { server, client, events } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  const [left] = server.transports;
  client.use(["websocket"]);
  await settle();
  assert.equal(client.transport, "webtransport");
  left!.deliver(publication(11));
  server.connected();
  left!.cut(CloseCode.REPLACED);
  assert.equal(client.state, "connected");
  assert.equal(client.transport, "websocket");
  server.transport.deliver({ ...CONFIRMED, id: 0 }, publication(11), publication(12));
  assert.deepEqual(seen, ["ordered", "ordered", 11, 12]);
  assert.deepEqual(events.slice(4), ["transport", "websocket"]);
  client.close();
});

Deno.test("a subscription made by a listener or during a move is asked for once", async () => {
  const { server, client } = start();
  client.on("transport", (transport) => transport === "webtransport" && subscribe(client));
  await settle();
  server.connected();
  await settle();
  assert.equal(last(server, "subscribe").channel, "chat:a");
  client.use(["websocket"]);
  await settle();
  client.channel("chat:b").subscribe({ onPublication: () => {} });
  server.connected();
  await settle();
  const channels = server.transport.received.filter(({ type }) => type === "subscribe");
  assert.equal(channels.length, 2);
  client.close();
});

Deno.test("a state is told once, however often the session moves", async () => {
  const { server, client, events } = await connected();
  client.use(["websocket"]);
  await settle();
  server.connected();
  assert.equal(events.filter((event) => event === "state").length, 1);
  client.close();
  assert.deepEqual(events.slice(-4, -2), ["state", "closed"]);
});

Deno.test("a move that fails leaves the session where it is", async () => {
  const { server, client, events } = await connected();
  server.blocked.sse = new Error("blocked");
  client.use(["sse"]);
  await settle();
  assert.equal(client.transport, "webtransport");
  assert.match(String(events.at(-1)), /sse: blocked/);
  client.close();
});

Deno.test("a session that another client has taken over is not fought for", async () => {
  const { server, client } = await connected();
  server.transport.cut(CloseCode.REPLACED);
  assert.equal(client.state, "closed");
  await settle();
});

Deno.test("pings are answered, and a server that is silent is given up in time", async () => {
  const { server, client } = await connected();
  server.transport.deliver({ type: "ping", id: 9 });
  await settle();
  assert.deepEqual(server.transport.writes.at(-1), [{ type: "pong", id: 9 }]);
  await server.clock.advanceAsync(120_000);
  assert.equal(server.transports[0]!.closedWith?.code, CloseCode.PING_TIMEOUT);
  client.close();
});

Deno.test("the round-trip time is measured when connected and when asked for", async () => {
  const { server, client } = await connected();
  assert.equal(client.rttMs, undefined);
  server.clock.advance(40);
  server.transport.deliver({ type: "pong", id: 1 });
  assert.equal(client.rttMs, 40);
  client.ping();
  await settle();
  assert.deepEqual(server.transport.writes.at(-1), [{ type: "ping", id: 2 }]);
  client.close();
});

Deno.test("a network that is back is tried soon, and a transport that slept is probed", async () => {
  const { server, client } = await connected();
  server.awake();
  await server.clock.advanceAsync(5000);
  assert.equal(server.transports[0]!.closedWith?.code, CloseCode.PING_TIMEOUT);
  server.infoError = new TypeError("offline");
  await server.clock.advanceAsync(300_000);
  server.infoError = undefined;
  server.awake();
  await server.clock.advanceAsync(1000);
  assert.equal(server.transports.length, 2);
  client.close();
});

Deno.test("a latest channel takes the newest of each key in whatever order datagrams come", async () => {
  const { server, client } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server, { delivery: "latest" });
  const latest = (offset: number, key: string, rest = {}) => publication(offset, { key, ...rest });
  server.transport.deliver(latest(3, "a"), latest(12, "b"), latest(11, "b"), latest(14, "a"));
  server.transport.deliver(latest(12, "b"), latest(15, "b", { removed: true }), latest(13, "b"));
  assert.deepEqual(seen, ["latest", 3, 12, 14, -15]);
  client.close();
});

Deno.test("keyed publications of one turn leave as the newest of each key, by datagram", async () => {
  const server = new FakeServer();
  server.datagramSize = 1000;
  const { client } = await connected({}, server);
  const cursors = client.channel("cursors:a");
  for (let x = 0; x < 5; x++) cursors.publish({ x }, { key: "me" });
  cursors.publish({ x: 9 }, { key: "you" });
  await settle();
  const keys = server.transport.datagrams.map((message) =>
    message.type === "publish" && message.key
  );
  assert.deepEqual(keys, ["me", "you"]);
  assert(!server.transport.received.some(({ type }) => type === "publish"));
  client.close();
});

Deno.test("the last value of a key that went quiet is sent again, acknowledged", async () => {
  const server = new FakeServer();
  server.datagramSize = 1000;
  const { client } = await connected({}, server);
  client.channel("cursors:a").publish(1, { key: "me" });
  await server.clock.advanceAsync(350);
  const settled = last(server, "publish");
  assert(settled.id > 0);
  assert.equal(settled.key, "me");
  server.transport.deliver({
    type: "published",
    id: settled.id,
    position: { epoch: "e", offset: 1 },
  });
  await server.clock.advanceAsync(1000);
  assert.equal(server.transport.received.filter(({ type }) => type === "publish").length, 1);
  client.close();
});

Deno.test("a value that its transport may have lost is sent over the next one", async () => {
  const server = new FakeServer();
  server.datagramSize = 1000;
  const { client } = await connected({}, server);
  client.channel("cursors:a").publish(1, { key: "me" });
  await settle();
  server.transport.cut();
  client.channel("cursors:a").publish(2, { key: "you" });
  await server.clock.advanceAsync(4000);
  server.connected({ resumed: false });
  await settle();
  assert.equal(server.transport.datagrams.length, 2);
  client.close();
});

Deno.test("an acknowledged value or removal is not followed by an older value of its key", async () => {
  const server = new FakeServer();
  server.datagramSize = 1000;
  const { client } = await connected({}, server);
  const cursors = client.channel("cursors:a");
  cursors.publish(1, { key: "me" });
  cursors.remove("me").catch(() => {});
  await server.clock.advanceAsync(1000);
  assert.deepEqual(server.transport.datagrams, []);
  assert.equal(server.transport.received.filter(({ type }) => type === "publish").length, 1);
  client.close();
});

Deno.test("while a transport is congested only the newest of each key waits", async () => {
  const { server, client } = await connected({ transports: ["websocket"] });
  server.transport.bufferedBytes = 100_000;
  for (let x = 0; x < 10; x++) {
    client.channel("cursors:a").publish(x, { key: "me" });
    await settle();
  }
  assert(!server.transport.received.some(({ type }) => type === "publish"));
  server.transport.bufferedBytes = 0;
  await server.clock.advanceAsync(60);
  const sent = server.transport.received.filter(({ type }) => type === "publish");
  assert.equal(sent.length, 1);
  client.close();
});

Deno.test("a message that the server would refuse for its size is rejected here", async () => {
  const { server, client } = await connected();
  await assert.rejects(
    client.channel("chat:a").publish(new Uint8Array(70_000)),
    /at most 65536 bytes was expected: 700/,
  );
  assert.equal(client.state, "connected");
  assert(!server.transport.received.some(({ type }) => type === "publish"));
  client.close();
});

Deno.test("a second subscription to a channel is refused until the first has ended", async () => {
  const { server, client } = await connected();
  const first = subscribe(client);
  await settle();
  assert.throws(() => subscribe(client), /subscribed to this channel already: chat:a/);
  first.subscription.unsubscribe();
  const second = subscribe(client);
  await settle();
  const types = server.transport.received.map(({ type }) => type);
  assert.deepEqual(types, ["connect", "subscribe", "unsubscribe", "subscribe"]);
  const [, stale] = server.transport.received;
  assert(stale?.type === "subscribe");
  server.transport.deliver({ ...CONFIRMED, id: stale.id }, publication(11));
  confirm(server);
  server.transport.deliver(publication(11));
  assert.deepEqual(first.seen, []);
  assert.deepEqual(second.seen, ["ordered", 11]);
  await assert.rejects(first.subscription.ready, /ended before it began/);
  client.close();
});

Deno.test("a subscription that ended while the transport was lost ends at the server too", async () => {
  const { server, client } = await connected();
  const { subscription } = subscribe(client);
  await settle();
  confirm(server);
  server.transport.cut();
  subscription.unsubscribe();
  await server.clock.advanceAsync(4000);
  server.connected();
  server.transport.deliver({ ...CONFIRMED, id: 0 });
  await settle();
  assert.equal(last(server, "unsubscribe").channel, "chat:a");
  client.close();
});

Deno.test("a refusal ends the subscription; a server in trouble is asked again", async () => {
  const { server, client } = await connected();
  const refused = subscribe(client);
  await settle();
  const { id } = last(server, "subscribe");
  server.transport.deliver({ type: "error", id, code: 403, message: "Not yours" });
  await assert.rejects(refused.subscription.ready, { name: "CommandError", code: 403 });
  assert.deepEqual(refused.seen, ["end 403"]);

  const patient = subscribe(client);
  await settle();
  const first = last(server, "subscribe").id;
  server.transport.deliver({ type: "error", id: first, code: 503, message: "Redis is away" });
  await server.clock.advanceAsync(1000);
  assert(last(server, "subscribe").id > first);
  confirm(server);
  assert.deepEqual(patient.seen, ["ordered"]);
  client.close();
});

Deno.test("a subscription that the server ends is over", async () => {
  const { server, client } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  const end = { type: "unsubscribed", id: 0, channel: "chat:a", code: 403, reason: "no" } as const;
  server.transport.deliver(end, publication(11));
  assert.deepEqual(seen, ["ordered", "end 403"]);
  subscribe(client);
  client.close();
});

Deno.test("joins, leaves, members and results come with values, not bytes", async () => {
  const { server, client } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  const info = { format: "json", bytes: new TextEncoder().encode('"Ada"') } as const;
  server.transport.deliver({ type: "join", channel: "chat:a", member: { session: "x", info } });
  server.transport.deliver({ type: "leave", channel: "chat:a", member: { session: "x" } });
  assert.deepEqual(seen, ["ordered", "join x Ada", "leave x"]);
  const presence = client.channel("chat:a").presence();
  const rpc = client.rpc("add", [1, 2]);
  await settle();
  const members = [{ session: "x", user: "42", info }, { session: "y" }];
  const { id } = last(server, "presence");
  server.transport.deliver({ type: "members", id, channel: "chat:a", members });
  assert.deepEqual(await presence, [
    { session: "x", user: "42", info: "Ada" },
    { session: "y", user: undefined, info: undefined },
  ]);
  server.transport.deliver({ type: "result", id: last(server, "rpc").id, data: info });
  assert.equal(await rpc, "Ada");
  client.close();
});

Deno.test("a server that breaks the protocol closes the client and says what was wrong", async () => {
  const { server, client } = await connected();
  server.transport.cut(CloseCode.PROTOCOL_ERROR, "A known message type was expected: 99");
  assert.equal((await client.closed).code, CloseCode.PROTOCOL_ERROR);
});

/** Something comes in every 20 ms, for a second: a path that is busy. */
async function stream(server: FakeServer, transport = server.transport): Promise<void> {
  for (let offset = 11; offset <= 60; offset++) {
    transport.deliver(publication(offset));
    await server.clock.advanceAsync(20);
  }
}

Deno.test("a busy transport that falls silent is left for another one, told once", async () => {
  const { server, client, events } = await connected();
  const { seen } = subscribe(client);
  await settle();
  confirm(server);
  await stream(server);
  await server.clock.advanceAsync(2100 + 4000);
  assert.deepEqual(server.transports.map(({ kind }) => kind), ["webtransport", "websocket"]);
  server.connected({ resumed: true });
  const position = { epoch: "e", offset: 60 };
  server.transport.deliver({ ...CONFIRMED, id: 0, position }, publication(61));
  assert.deepEqual(seen.slice(-2), ["ordered", 61]);
  assert.deepEqual(events.slice(4), ["transport", "websocket"]);
  assert.match(client.fallbacks[0]!.reason, /^Nothing came for \d+ ms$/);
  client.close();
  assert.equal(server.clock.pendingTimers, 0);
});

Deno.test("clients of a server that fell silent move spread over the time that it asked for", async () => {
  const moved = await Promise.all(Array.from({ length: 8 }, async (_, seed) => {
    const server = new FakeServer();
    const url = new URL(`https://spread${tests++}.test`);
    const client = new Core(url, {}, server.environment(seed + 1));
    await settle();
    server.connected();
    await settle();
    await stream(server);
    const from = server.clock.now();
    while (server.transports.length < 2) await server.clock.advanceAsync(50);
    client.close();
    return server.clock.now() - from;
  }));
  assert.ok(Math.max(...moved) - Math.min(...moved) > 1500, moved.join(" "));
  assert.ok(Math.max(...moved) <= 2200 + 4000, moved.join(" "));
});

Deno.test("a path that brings something again before the move is kept", async () => {
  const server = new FakeServer();
  const client = new Core(new URL(`https://kept${tests++}.test`), {}, server.environment(2));
  await settle();
  server.connected();
  await settle();
  await stream(server);
  await server.clock.advanceAsync(2000);
  server.transport.deliver(publication(61));
  await server.clock.advanceAsync(5000);
  assert.equal(server.transports.length, 1);
  client.close();
});

Deno.test("a better transport is tried after a while, ever less often, and told once it works", async () => {
  const server = new FakeServer();
  server.blocked.webtransport = new Error("blocked");
  const { client, events } = await connected({ upgradeAfterMs: 1000 }, server);
  assert.equal(client.transport, "websocket");
  const asked = server.asked;
  await server.clock.advanceAsync(20_000);
  assert.equal(client.transport, "websocket");
  const tries = server.asked - asked;
  assert.ok(tries >= 2 && tries <= 5, `${tries} tries`);
  const before = events.length;
  delete server.blocked.webtransport;
  while (server.transport.kind !== "webtransport") await server.clock.advanceAsync(1000);
  server.connected({ resumed: true });
  assert.deepEqual(events.slice(before), ["transport", "webtransport"]);
  assert.deepEqual(client.fallbacks, []);
  client.close();
});

Deno.test("with TCP cut a session moves by what the server said before", async () => {
  const { server, client } = await connected({ transports: ["websocket", "webtransport"] });
  await stream(server);
  server.infoError = new TypeError("network unreachable");
  await server.clock.advanceAsync(2100 + 4000);
  assert.equal(server.transport.kind, "webtransport");
  client.close();
});

Deno.test("a channel's name with half of a surrogate pair is refused before it becomes another", async () => {
  const { client } = await connected();
  assert.throws(() => client.channel("chat:\ud800"), /must be well-formed: "chat:\\ud800"/);
  assert.equal(client.channel("chat:\u{1f600}").name, "chat:\u{1f600}");
  client.close();
});
