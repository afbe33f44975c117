import assert from "node:assert/strict";
import type { ConnectOptions } from "../../src/client/client.ts";
import { Core } from "../../src/client/core.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import type { ClientMessage } from "../../src/protocol/message.ts";
import { settle } from "../fake_clock.ts";
import { FakeServer } from "./fake_server.ts";

async function open(options: ConnectOptions) {
  const server = new FakeServer();
  const client = new Core(new URL("https://example.com"), options, server.environment());
  const errors: string[] = [];
  client.on("error", (error) => errors.push(error.message));
  client.closed.catch(() => {});
  client.ready.catch(() => {});
  await settle();
  return { server, client, errors };
}

function sent<Type extends ClientMessage["type"]>(server: FakeServer, type: Type) {
  return server.transport.received.filter((message) => message.type === type) as Extract<
    ClientMessage,
    { type: Type }
  >[];
}

Deno.test("a client shows its token with connect, and asks for one at each attempt", async () => {
  let asked = 0;
  const { server, client } = await open({ token: () => `token ${++asked}` });
  assert.equal(sent(server, "connect")[0]?.token, "token 1");
  server.connected();
  server.transport.cut();
  await server.clock.advanceAsync(10_000);
  assert.equal(sent(server, "connect")[0]?.token, "token 2");
  assert.equal(server.transports.length, 2);
  client.close();
});

Deno.test("a client without a token shows none", async () => {
  const { server, client } = await open({});
  assert.ok(!("token" in sent(server, "connect")[0]!));
  client.close();
});

Deno.test("a token that cannot be got is an attempt that failed, and another follows", async () => {
  let asked = 0;
  const { server, client, errors } = await open({
    token: () => ++asked === 1 ? Promise.reject(new Error("Not logged in")) : "a token",
  });
  assert.deepEqual(errors, ["Not logged in"]);
  assert.notEqual(server.transport.closedWith, undefined);
  await server.clock.advanceAsync(2000);
  assert.equal(sent(server, "connect")[0]?.token, "a token");
  client.close();
});

Deno.test("a token is renewed when four fifths of its time are over, for as long as it takes", async () => {
  let asked = 0;
  const { server, client, errors } = await open({
    token: () => ++asked === 2 ? Promise.reject(new Error("Not now")) : `token ${asked}`,
  });
  server.connected({ expiresInMs: 100_000 });
  await server.clock.advanceAsync(79_000);
  assert.equal(asked, 1);
  await server.clock.advanceAsync(1000);
  assert.deepEqual([asked, errors], [2, ["Not now"]]);
  // Four fifths of what is left.
  await server.clock.advanceAsync(16_000);
  const [refresh] = sent(server, "refresh");
  assert.equal(refresh?.token, "token 3");
  server.transport.deliver({ type: "refreshed", id: refresh!.id, expiresInMs: 50_000 });
  await server.clock.advanceAsync(39_000);
  assert.equal(asked, 3);
  await server.clock.advanceAsync(1000);
  assert.equal(sent(server, "refresh")[1]?.token, "token 4");
  client.close();
  await settle();
  assert.equal(server.clock.pendingTimers, 0);
});

Deno.test("a client whose token has expired comes back at once if it can get another, else never", async () => {
  const renewing = await open({ token: () => "another" });
  renewing.server.connected({ expiresInMs: 100_000 });
  await renewing.server.clock.advanceAsync(20_000);
  renewing.server.transport.cut(CloseCode.TOKEN_EXPIRED, "The token has expired");
  await renewing.server.clock.advanceAsync(0);
  assert.equal(renewing.server.transports.length, 2);
  renewing.client.close();
  const fixed = await open({ token: "the only one" });
  fixed.server.connected({ expiresInMs: 100_000 });
  await fixed.server.clock.advanceAsync(99_000);
  assert.deepEqual(sent(fixed.server, "refresh"), []);
  fixed.server.transport.cut(CloseCode.TOKEN_EXPIRED, "The token has expired");
  assert.equal((await fixed.client.closed).code, CloseCode.TOKEN_EXPIRED);
});
