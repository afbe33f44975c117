import assert from "node:assert/strict";
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
