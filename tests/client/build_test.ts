import assert from "node:assert/strict";
import { withServer } from "../integration/harness.ts";
import { withTempFolder } from "../temp_folder.ts";

async function run(command: string, args: string[]): Promise<{ out: string; err: string }> {
  const { stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  return { out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Builds the SDK as the task does, with no more rights than that takes. */
async function buildClient(): Promise<string> {
  const rights = ["--unstable-bundle", "--allow-read=src", "--allow-write=src/web/built"];
  const { out, err } = await run(Deno.execPath(), ["run", ...rights, "src/client/build.ts"]);
  assert.equal(err, "");
  return out.trim();
}

const url = (path: string) => new URL(`../../${path}`, import.meta.url).href;

Deno.test("the SDK is built once, and then is up to date", async () => {
  await buildClient();
  assert.match(await buildClient(), /kB minified, .* kB gzipped, up to date$/);
});

Deno.test("the built SDK has the exports of its source", async () => {
  await buildClient();
  const built = await import(url("src/web/built/slipstream.js"));
  const source = await import(url("src/client/mod.ts"));
  assert.deepEqual(Object.keys(built).sort(), Object.keys(source).sort());
});

Deno.test("the built types stand alone, and know their users' mistakes", async () => {
  await buildClient();
  await withTempFolder(async (folder) => {
    await Deno.copyFile("src/web/built/slipstream.d.ts", `${folder}/slipstream.d.ts`);
    await Deno.writeTextFile(`${folder}/slipstream.js`, "");
    const check = async (source: string) => {
      const lines = [
        '// @ts-types="./slipstream.d.ts"',
        'import { CloseCode, CommandError, connect } from "./slipstream.js";',
        'import type { Client, Position } from "./slipstream.d.ts";',
        source,
      ];
      await Deno.writeTextFile(`${folder}/user.ts`, lines.join("\n"));
      const { err } = await run(Deno.execPath(), ["check", "--no-config", `${folder}/user.ts`]);
      return err;
    };
    const right = await check(`
      const client: Client = connect("https://localhost", { transports: ["sse"] });
      const channel = client.channel<{ text: string }>("chat:a");
      channel.subscribe({ onPublication: ({ data }) => data.text.trim(), onGap: () => {} });
      const position: Position | undefined = await channel.publish({ text: "x" });
      export const left: 3500 = CloseCode.LEFT;
      export const error = new CommandError(403, String(position?.offset));
      client.on("close", ({ code }) => code.toFixed());
    `);
    assert(!right.includes("ERROR"), right);
    assert.match(
      await check('connect("x", { transports: ["pigeon"] }) satisfies Client;'),
      /pigeon/,
    );
  });
});

Deno.test("the built SDK runs in Node, over the best transport that Node has", async () => {
  await buildClient();
  const script = new URL("node_client.mjs", import.meta.url).pathname;
  await withServer({}, async ({ server }) => {
    const { out, err } = await run("node", [
      script,
      url("src/web/built/slipstream.js"),
      server.developmentUrl!,
    ]);
    assert.equal(err, "");
    const { transport, data, fallbacks } = JSON.parse(out);
    assert.deepEqual(data, { from: "node" });
    const { out: webSocket } = await run("node", ["-p", "typeof WebSocket"]);
    assert.equal(transport, webSocket.trim() === "function" ? "websocket" : "sse");
    assert.deepEqual(fallbacks[0], { transport: "webtransport", reason: "The runtime has none" });
  });
});
