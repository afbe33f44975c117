import assert from "node:assert/strict";
import { withTempFolder } from "../temp_folder.ts";
import { realStorm } from "./real_storm.ts";

Deno.test("clients of a killed server come back to the one that takes its place, each once", async () => {
  await withTempFolder(async (folder) => {
    const said: string[] = [];
    const clients = { websocket: 20, sse: 5 };
    const scenario = {
      name: "kill",
      clients,
      ratePerSecond: 100,
      spreadMs: 0,
      jitter: true,
      downMs: 0,
    };
    const curve = await realStorm(scenario, folder, (text) => said.push(text));
    assert.equal(curve.back, 25);
    // A server that starts at once is there before the first or the second attempt, or is not.
    const { attempts, refused, lost } = curve.figures;
    assert.ok(attempts >= 25 && attempts <= 25 + refused + lost, JSON.stringify(curve.figures));
    assert.equal(said[0], "kill: opening 25 sessions");
  });
});
