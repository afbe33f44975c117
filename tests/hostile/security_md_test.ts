import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);
const text = await Deno.readTextFile(new URL("SECURITY.md", ROOT));

/** Each test that the tables name: its file below `tests/`, and its name or what is fixed of it. */
function namedTests(): { file: string; name: string }[] {
  return text.split("\n").filter((line) => line.startsWith("|")).flatMap((line) =>
    (line.split(" | ")[2] ?? "").split("; ").flatMap((each) => {
      const match = /^`([\w/]+_test\.ts)` › (.+)$/.exec(each);
      return match === null ? [] : [{ file: match[1]!, name: match[2]! }];
    })
  );
}

Deno.test("every test that SECURITY.md names is there", async () => {
  const named = namedTests();
  // One that names none would pass as well.
  assert.ok(named.length > 50, `${named.length}`);
  for (const { file, name } of named) {
    const source = await Deno.readTextFile(new URL(`tests/${file}`, ROOT));
    // The name as it stands in the call, or in the options that it may have.
    const found = source.split("\n").some((line) =>
      /(\btest\(|name:|^ *[`"])/.test(line) && line.includes(name)
    );
    assert.ok(found, `${file} has no test "${name}"`);
  }
});

Deno.test("every row of a table in SECURITY.md that names a test names it as one", () => {
  const rows = text.split("\n").filter((line) => line.includes("_test.ts`"));
  const mentioned = rows.join().match(/_test\.ts`/g)!.length;
  assert.equal(namedTests().length, mentioned);
});

Deno.test("every file of hostile tests is named in SECURITY.md", () => {
  for (const { name } of Deno.readDirSync(new URL("tests/hostile/", ROOT))) {
    if (!name.endsWith("_test.ts") || name === "security_md_test.ts") continue;
    assert.ok(text.includes(`\`hostile/${name}\``), name);
  }
});

Deno.test("every source that SECURITY.md names is there", async () => {
  const paths = [...text.matchAll(/`(src\/[\w/.]+)`/g)].map(([, path]) => path!);
  assert.ok(paths.length > 15);
  for (const path of paths) await Deno.stat(new URL(path, ROOT));
});
