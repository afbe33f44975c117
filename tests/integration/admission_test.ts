import assert from "node:assert/strict";
import { Core } from "../../src/client/core.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import { HttpError } from "../../src/client/http_error.ts";
import type { SlipstreamServer } from "../../src/mod.ts";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import { FakeClock } from "../fake_clock.ts";
import { until } from "../until.ts";
import { type Kind, KINDS, withServer } from "./harness.ts";
import { connectStatus, openRaw } from "./raw_peer.ts";

interface Answer {
  readonly status: number;
  readonly pass: string | undefined;
  readonly headers: Headers;
}

/** Asks `/rt/info` as the SDK does. */
async function ask(
  { developmentUrl }: SlipstreamServer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${developmentUrl}/rt/info`, { headers });
  const text = await response.text();
  const pass = response.ok ? JSON.parse(text).pass : undefined;
  return { status: response.status, pass, headers: response.headers };
}

/** Whether an entrance lets one in that shows this pass. */
async function enters(kind: Kind, server: SlipstreamServer, pass: string): Promise<boolean> {
  const query = `?pass=${pass}`;
  if (kind === "webtransport") {
    return (await connectStatus(server, `/rt/wt${query}`)).status === 200;
  }
  if (kind === "sse") {
    const response = await fetch(`${server.developmentUrl}/rt/sse${query}`);
    await response.body!.cancel();
    return response.ok;
  }
  const socket = new WebSocket(`${server.developmentUrl}/rt/ws${query}`, SUBPROTOCOL.binary);
  return await new Promise((resolve) => {
    let open = false;
    socket.onopen = () => {
      open = true;
      socket.close();
    };
    socket.onclose = () => resolve(open);
    socket.onerror = (event) => event.preventDefault();
  });
}

async function exhaust(server: SlipstreamServer): Promise<Answer> {
  let answer = await ask(server);
  for (let turn = 0; answer.status === 200; turn++) {
    assert(turn < 100, "the rate is never used up");
    answer = await ask(server);
  }
  return answer;
}

for (const kind of KINDS) {
  Deno.test(`${kind}: who has a pass comes in although the rate is used up`, async () => {
    const options = { clock: new FakeClock(), admission: { ratePerSecond: 10 } };
    await withServer(options, async ({ server }) => {
      const { pass } = await ask(server);
      const refused = await exhaust(server);
      assert.equal(refused.status, 503);
      assert.match(refused.headers.get("retry-after")!, /^\d+$/);
      assert.equal(await enters(kind, server, "0".repeat(32)), false);
      assert.equal(await enters(kind, server, pass!), true);
    });
  });

  Deno.test(`${kind}: a client waits as long as a node that is full has asked it to`, async () => {
    await withServer({ admission: { maxSessions: 1 } }, async ({ server, client }) => {
      const held = client("websocket");
      await held.ready;
      let asked = 0;
      const clock = new FakeClock();
      const environment = systemEnvironment();
      const waiting = new Core(new URL(server.developmentUrl!), { transports: [kind] }, {
        ...environment,
        clock,
        random: () => 0.5,
        fetchServerInfo(...args) {
          asked++;
          return environment.fetchServerInfo(...args);
        },
      });
      const errors: unknown[] = [];
      waiting.on("error", (error) => errors.push(error));
      await until(() => errors.length === 1, "the refusal");
      const [refused] = errors;
      assert(refused instanceof HttpError);
      assert.equal(refused.status, 503);
      assert(refused.retryAfterMs >= 5000 && refused.retryAfterMs <= 8000);
      held.close();
      await until(() => server.transports === 0, "the place is free");
      clock.advance(refused.retryAfterMs);
      assert.equal(asked, 1);
      clock.advance(250);
      assert.equal(asked, 2);
      await waiting.ready;
      assert.equal(waiting.transport, kind);
      waiting.close();
      await until(() => server.transports === 0, "the client is gone");
    });
  });

  Deno.test(`${kind}: a session for which there is no place is told when to come back`, async () => {
    await withServer({ admission: { maxSessions: 1 } }, async ({ server }) => {
      await using first = await openRaw("sse", server);
      await first.send({ type: "connect", id: 1 });
      await first.next();
      // Its session is kept for it, and has the only place.
      await first.cut();
      await until(() => server.transports === 0, "the transport is lost");
      await using second = await openRaw(kind, server);
      await second.send({ type: "connect", id: 1 });
      const { code, reason } = await second.end();
      assert.equal(code, 3006);
      assert.match(reason, /^The node takes no more sessions; retry after [5-7]\d{3} ms$/);
    });
  });
}

Deno.test("a drain tells each client its own moment, within the time that the node's rate takes", async () => {
  await withServer({ admission: { ratePerSecond: 20 } }, async ({ server, client }) => {
    const clients = [...KINDS, ...KINDS].map((kind) => client(kind));
    await Promise.all(clients.map(({ ready }) => ready));
    const delays: number[] = [];
    for (const each of clients) each.on("drain", ({ delayMs }) => delays.push(delayMs));
    const drained = server.drain();
    await until(() => delays.length === clients.length, "everybody is told");
    // Six clients at twenty a second, and a quarter.
    assert(delays.every((delayMs) => delayMs >= 0 && delayMs <= 375), `${delays}`);
    assert(new Set(delays).size > 1, `moments of their own: ${delays}`);
    await drained;
    assert.equal(server.transports, 0);
  });
});

Deno.test("a herd is let in at the node's rate, and none opens a transport in vain", async () => {
  const options = { admission: { ratePerSecond: 20, ratePerSecondPerAddress: Infinity } };
  await withServer(options, async ({ server, client }) => {
    const herd = Array.from({ length: 36 }, (_, at) => client(KINDS[at % 3]!));
    const errors: unknown[] = [];
    for (const each of herd) each.on("error", (error) => errors.push(error));
    await Promise.all(herd.map(({ ready }) => ready));
    assert.equal(server.sessions.count, herd.length);
    // Sixteen find a place at once: a fifth of the burst is for those who return.
    assert(errors.length > 0);
    for (const error of errors) {
      assert(error instanceof HttpError);
      assert.equal(error.status, 503);
    }
  });
});

Deno.test("who returns to a session goes before those who are new", async () => {
  const options = { clock: new FakeClock(), admission: { ratePerSecond: 10 } };
  await withServer(options, async ({ server }) => {
    await using peer = await openRaw("websocket", server);
    await peer.send({ type: "connect", id: 1 });
    const connected = await peer.next();
    assert(connected.type === "connected");
    await exhaust(server);
    const { session, ticket } = connected;
    for (const wrong of [`${session} ${"0".repeat(32)}`, session, "", ` ${ticket}`]) {
      assert.equal((await ask(server, { "slipstream-resume": wrong })).status, 503);
    }
    const resume = { "slipstream-resume": `${session} ${ticket}` };
    assert.equal((await ask(server, resume)).status, 200);
    // It cannot be asked for without end either.
    assert.equal((await ask(server, resume)).status, 200);
    assert.equal((await ask(server, resume)).status, 503);
  });
});

Deno.test("an address that asks too fast is told so, and takes the rate from nobody", async () => {
  const options = { clock: new FakeClock(), admission: { ratePerSecondPerAddress: 3 } };
  await withServer(options, async ({ server }) => {
    const { status, headers } = await exhaust(server);
    assert.equal(status, 429);
    assert.equal(headers.get("retry-after"), "1");
    const response = await fetch(`${server.developmentUrl}/rt/sse`);
    assert.equal(response.status, 429);
    assert.match(await response.text(), /^Too many sessions come from this address; /);
  });
});

Deno.test("a page whose origin is refused takes no place by asking", async () => {
  const options = {
    clock: new FakeClock(),
    admission: { ratePerSecond: 1 },
    origins: { allow: ["https://app.example.com"] },
  };
  await withServer(options, async ({ server }) => {
    for (let turn = 0; turn < 5; turn++) {
      const { status, pass } = await ask(server, { origin: "https://evil.example" });
      assert.deepEqual([status, pass], [200, undefined]);
    }
    const origin = "https://app.example.com";
    assert.equal((await ask(server, { origin })).status, 200);
    const { status, headers } = await ask(server, { origin });
    assert.equal(status, 503);
    // Else its page could not read when to come back.
    assert.equal(headers.get("access-control-allow-origin"), origin);
    assert.equal(headers.get("access-control-expose-headers"), "retry-after");
    // Else it could not show that a session waits for it.
    const preflight = await fetch(`${server.developmentUrl}/rt/info`, {
      method: "OPTIONS",
      headers: { origin },
    });
    assert.match(preflight.headers.get("access-control-allow-headers")!, /slipstream-resume/);
  });
});
