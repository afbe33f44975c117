import assert from "node:assert/strict";
import type { TransportKind } from "../../src/transport/transport.ts";
import { type TestServer, withServer } from "../integration/harness.ts";
import { until } from "../until.ts";

/**
 * Runs `attack` beside an honest session, which publishes and hears it before and after. Then nothing
 * of the attackers is left, and who comes finds the server as it was.
 */
export async function besideHonest(
  kind: TransportKind,
  attack: (test: TestServer) => Promise<void>,
  options: Parameters<typeof withServer>[0] = {},
): Promise<void> {
  await withServer(options, async (test) => {
    const honest = test.client(kind);
    const heard: unknown[] = [];
    honest.on("transport", (transport) => transport ?? heard.push("lost"));
    const channel = honest.channel("chat:honest");
    await channel.subscribe({ onPublication: ({ data }) => heard.push(data) }).ready;
    await channel.publish("before");
    await attack(test);
    await channel.publish("after");
    await until(() => heard.length >= 2, "both publications");
    assert.deepEqual(heard, ["before", "after"]);
    await until(() => test.server.transports === 1, "the end of the attackers");
    assert.equal(test.server.sessions.count, 1);
    await test.client(kind).ready;
  });
}
