import assert from "node:assert/strict";
import { until } from "../until.ts";
import { Backend, deadPort, json } from "./backend.ts";
import { type Scene, SESSION, withWebhooks } from "./scene.ts";

const INFO = { code: 3004, reason: "The client did not come back" };

function end({ hooks }: Scene, count: number): void {
  for (let i = 0; i < count; i++) hooks.onDisconnect({ ...SESSION, id: `session-${i}` }, INFO);
}

/** Lets time go on until `condition` holds. */
async function pass({ clock }: Scene, condition: () => boolean): Promise<void> {
  await until(() => {
    clock.advance(100);
    return condition();
  });
}

Deno.test("a notice is sent until the backend has taken it, whatever it answered before", async () => {
  const answers = [500, 401, 302, 503, 204].map((status) => new Response(null, { status }));
  await withWebhooks({ respond: () => answers.shift()! }, async (scene) => {
    const { backend, outcomes, webhooks } = scene;
    end(scene, 1);
    assert.equal(webhooks.state.notices, 1);
    await pass(scene, () => outcomes()["disconnect sent"] === 1);
    assert.equal(backend.received.length, 5);
    assert.equal(new Set(backend.received.map(({ text }) => text)).size, 1, "one delivery");
    assert.equal(webhooks.state.notices, 0);
    assert.deepEqual(scene.log, []);
  });
});

Deno.test("what the backend says to a notice is of no interest", async () => {
  await withWebhooks({ respond: () => new Response("thank you") }, async (scene) => {
    end(scene, 1);
    await pass(scene, () => scene.outcomes()["disconnect sent"] === 1);
  });
});

Deno.test("a notice that nobody takes is dropped after its attempts, counted and logged", async () => {
  const options = { respond: () => json({}, 400), noticeAttempts: 3 };
  await withWebhooks(options, async (scene) => {
    end(scene, 1);
    await pass(scene, () => scene.webhooks.state.notices === 0);
    assert.equal(scene.backend.received.length, 3);
    assert.deepEqual(scene.outcomes(), { "disconnect dropped": 1 });
    assert.match(scene.log[0]!, /did not take a notice of disconnect: it is dropped/);
  });
});

Deno.test("notices of an outage wait, and leave when the backend is back", async () => {
  const port = deadPort();
  await withWebhooks({
    url: `http://127.0.0.1:${port}/hooks?tenant=7`,
    breakerFailures: 2,
  }, async (scene) => {
    const { webhooks, outcomes, clock } = scene;
    end(scene, 50);
    await pass(scene, () => webhooks.state.breaker !== "closed");
    assert.equal(webhooks.state.notices, 50);
    const backend = new Backend(() => new Response(null, { status: 204 }), port);
    await pass(scene, () => outcomes()["disconnect sent"] === 50);
    const told = backend.received.map(({ delivery }) =>
      delivery.event === "disconnect" && delivery.session.id
    );
    assert.equal(new Set(told).size, 50);
    assert.ok(backend.mostOpen <= 10);
    assert.equal(clock.pendingTimers, 0);
    await backend.close();
  });
});

Deno.test("no more than maxNotices wait: one more is dropped", async () => {
  const held = Promise.withResolvers<void>();
  const respond = () => held.promise.then(() => json({}));
  await withWebhooks({ respond, maxNotices: 5 }, async (scene) => {
    end(scene, 20);
    // Ten are on their way, five wait.
    assert.equal(scene.webhooks.state.notices, 15);
    assert.deepEqual(scene.outcomes(), { "disconnect dropped": 5 });
    held.resolve();
    await pass(scene, () => scene.outcomes()["disconnect sent"] === 15);
  });
});

Deno.test("notices that wait hold up no question", async () => {
  const held = Promise.withResolvers<void>();
  await withWebhooks({ maxConcurrent: 1 }, async (scene) => {
    const { backend, hooks, settled } = scene;
    backend.respond = async ({ delivery: { event } }) => {
      if (event === "disconnect") await held.promise;
      return json({});
    };
    end(scene, 20);
    await until(() => backend.open === 10);
    await settled(hooks.onSubscribe({ session: SESSION, channel: "a" }));
    held.resolve();
    await pass(scene, () => scene.outcomes()["disconnect sent"] === 20);
  });
});

Deno.test("what waits when the server ends is sent at once, a pause included", async () => {
  let down = true;
  const respond = () => down ? json({}, 500) : json({});
  await withWebhooks({ respond, breakerFailures: 100 }, async (scene) => {
    const { backend, webhooks, outcomes } = scene;
    end(scene, 1);
    await until(() => backend.received.length === 1 && backend.open === 0);
    down = false;
    end(scene, 20);
    // Time stands still: nothing but the end of the server ends the pause.
    await webhooks.close();
    assert.deepEqual(outcomes(), { "disconnect sent": 21 });
    end(scene, 1);
    assert.equal(outcomes()["disconnect dropped"], 1, "too late");
  });
});

Deno.test("a server that ends waits closeTimeoutMs for its notices, and says how many it dropped", async () => {
  const held = Promise.withResolvers<void>();
  const respond = () => held.promise.then(() => json({}));
  await withWebhooks({ respond, closeTimeoutMs: 2000 }, async (scene) => {
    const { backend, webhooks, clock, log, outcomes } = scene;
    end(scene, 20);
    await until(() => backend.open === 10);
    let closed = false;
    const closing = webhooks.close().then(() => closed = true);
    await clock.advanceAsync(1999);
    assert.equal(closed, false);
    await clock.advanceAsync(1);
    await closing;
    assert.deepEqual(outcomes(), { "disconnect dropped": 20 });
    assert.match(log.join(), /^Notices of disconnect were dropped.*: 20$/);
    held.resolve();
  });
});

Deno.test("a server that ends does not try a backend that is away", async () => {
  const url = `http://127.0.0.1:${deadPort()}/`;
  await withWebhooks({ url, breakerFailures: 1 }, async (scene) => {
    end(scene, 20);
    await until(() => scene.webhooks.state.breaker === "open");
    await scene.webhooks.close();
    assert.deepEqual(scene.outcomes(), { "disconnect dropped": 20 });
  });
});
