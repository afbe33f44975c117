import assert from "node:assert/strict";
import { SECRET, signatureOf } from "./webhooks/backend.ts";
import { withTempFolder } from "./temp_folder.ts";
import { optionsTable, readOptions } from "./readme_options.ts";

Deno.test("README lists every option as its doc comment has it", async () => {
  const { table } = readOptions(await Deno.readTextFile(new URL("../README.md", import.meta.url)));
  // To bring it up to date: deno run --allow-read --allow-write tests/readme_options.ts
  assert.equal(table, optionsTable());
});

Deno.test("README names every task of deno.json but those that CI alone uses", async () => {
  const read = (name: string) => Deno.readTextFile(new URL(`../${name}`, import.meta.url));
  const { tasks } = JSON.parse(await read("deno.json"));
  const readme = await read("README.md");
  const missing = Object.keys(tasks)
    .filter((task) => task !== "imports" && !readme.includes(`deno task ${task}`));
  assert.deepEqual(missing, []);
});

Deno.test("README's backend answers webhooks, and nobody else", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  const [, code] = /```ts backend\.ts\n([^]*?)```/.exec(readme)!;
  await withTempFolder(async (folder) => {
    const file = `${folder}/backend.ts`;
    await Deno.writeTextFile(
      file,
      code!.replace("./src/", new URL("../src/", import.meta.url).href),
    );
    Deno.env.set("WEBHOOK_SECRET", SECRET);
    const backend = (await import(`file://${file}`)).default;
    Deno.env.delete("WEBHOOK_SECRET");
    const ask = async (asked: unknown, secret = SECRET) => {
      const body = JSON.stringify(asked);
      const signature = signatureOf(String(Math.floor(Date.now() / 1000)), body, secret);
      const headers = { "slipstream-signature": signature };
      const request = new Request("http://localhost/", { method: "POST", body, headers });
      const response: Response = await backend.fetch(request);
      return response.status === 200 ? await response.json() : response.status;
    };
    assert.deepEqual(await ask({ event: "connect", client: { user: "ann" } }), {});
    assert.equal((await ask({ event: "connect", client: { user: "mallory" } })).refuse.code, 403);
    assert.deepEqual(await ask({ event: "publish", session: { user: "ann" }, data: "hello" }), {
      data: { text: "hello", from: "ann" },
    });
    assert.equal(await ask({ event: "connect" }, `${SECRET}, but another`), 401);
  });
});
