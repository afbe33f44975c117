import assert from "node:assert/strict";
import type { Limits } from "../../src/capacity/limits.ts";
import { withTempFolder } from "../temp_folder.ts";

const MODULE = new URL("../../src/capacity/read_limits.ts", import.meta.url).href;
const PROGRAM = `
  import { readLimits } from ${JSON.stringify(MODULE)};
  console.log(JSON.stringify(readLimits()));
`;

/** The limits as a process reads them that may have 100 open files. */
async function readWith(folder: string, permissions: string): Promise<Limits> {
  await Deno.writeTextFile(`${folder}/print.ts`, PROGRAM);
  const deno = `${Deno.execPath()} run --no-check --no-prompt ${permissions} ${folder}/print.ts`;
  const { stdout, stderr, success } = await new Deno.Command("sh", {
    args: ["-c", `ulimit -n 100; exec ${deno}`],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

const ignore = Deno.build.os !== "linux";

for (const permissions of ["--allow-all", "--allow-run=cat"]) {
  Deno.test({
    name: `readLimits() reads all with ${permissions}`,
    ignore,
    fn: () =>
      withTempFolder(async (folder) => {
        const { openFiles, memoryBytes, heapBytes } = await readWith(folder, permissions);
        assert.equal(openFiles, 100);
        assert.ok(memoryBytes! > 100e6 && memoryBytes! < 1e15, `${memoryBytes}`);
        assert.ok(heapBytes > 10e6);
      }),
  });
}

Deno.test({
  name: "readLimits() asks for nothing that it may not have",
  ignore,
  fn: () =>
    withTempFolder(async (folder) => {
      const { openFiles, memoryBytes } = await readWith(folder, "--allow-read --allow-env");
      assert.equal(openFiles, undefined);
      assert.equal(memoryBytes, undefined);
    }),
});
