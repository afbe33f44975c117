import assert from "node:assert/strict";
import { composeHooks } from "../../src/webhooks/compose.ts";
import { TestNode } from "../session/node.ts";
import { TestClient } from "../session/test_client.ts";
import { until } from "../until.ts";
import { json } from "./backend.ts";
import { withWebhooks } from "./scene.ts";

for (
  const [what, appMs, expected] of [
    ["the webhook's own error comes before the hook's timeout", 0, [
      503,
      "The backend cannot be asked at the moment",
    ]],
    ["an app's hook that takes its time leaves the webhook less", 2500, [
      503,
      "The application did not answer in time: 5000 ms",
    ]],
  ] as const
) {
  Deno.test(what, async () => {
    const held = Promise.withResolvers<void>();
    const options = { respond: () => held.promise.then(() => json({})), timeoutMs: 3000 };
    await withWebhooks({ ...options, events: ["publish"] }, async (scene) => {
      const { backend, clock, webhooks, settled } = scene;
      const onPublish = appMs === 0 ? undefined : () =>
        new Promise<void>((resolve) => {
          clock.setTimeout(resolve, appMs);
        });
      const hooks = composeHooks(onPublish ? { onPublish } : {}, webhooks.hooks);
      const node = await new TestNode({ hooks, clock }).start();
      const client = new TestClient();
      client.connect(node);
      await node.turn();
      client.take();
      client.publish("chat:a", "hello");
      await node.advance(appMs);
      await until(() => backend.open === 1);
      // The steps of the wheel, by which hooks are timed, are coarse.
      await node.advance(3000 - 1);
      if (appMs === 0) assert.deepEqual(client.take(), []);
      await node.advance(1000);
      await until(() => webhooks.state.asking === 0);
      await node.turn();
      const errors = client.take().filter((message) => message.type === "error");
      assert.deepEqual(errors.map(({ code, message }) => [code, message]), [expected]);
      held.resolve();
      await settled(until(() => backend.open === 0));
      await node.close();
      await node.turn();
    });
  });
}
