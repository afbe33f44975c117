import assert from "node:assert/strict";
import { connect } from "../../src/client/mod.ts";
import { OPEN, serve } from "../../src/mod.ts";
import { until } from "../until.ts";

Deno.test("server.subscribe() hears what clients publish, and who did", async () => {
  const server = await serve({
    port: 0,
    developmentPort: 0,
    origins: { allowMissing: true },
    namespaces: { inputs: { delivery: "latest", settleMs: 20, permissions: OPEN } },
  });
  const client = connect(server.developmentUrl!, { transports: ["websocket"] });
  try {
    await server.publish("inputs:1", "before", { key: "server" });
    const heard: unknown[] = [];
    const end = await server.subscribe("inputs:1", {
      onPublication: ({ key, publisher, data }) => {
        heard.push([key, publisher, new TextDecoder().decode(data.bytes)]);
      },
    });
    await client.ready;
    await client.channel("inputs:1").publish(1, { key: "a", acknowledge: true });
    await client.channel("inputs:1").publish(2, { key: "a", acknowledge: true });
    await until(() => heard.length >= 3, "three publications");
    const expected = [
      ["server", undefined, '"before"'],
      ["a", client.session, "1"],
      ["a", client.session, "2"],
    ];
    assert.deepEqual(heard, expected);
    end();
    await client.channel("inputs:1").publish(3, { key: "a", acknowledge: true });
    assert.deepEqual(heard, expected);
    assert.equal(server.channel("inputs:1"), undefined);
    await assert.rejects(server.subscribe("none:1", { onPublication() {} }), { code: 404 });
  } finally {
    client.close();
    await client.closed;
    await server.close();
  }
});
